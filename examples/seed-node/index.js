"use strict";

// What the API would answer: everything in pages at first, and then the changes of one day a call.
const FIRST_DAY = "2020-01-01";
const PAGES = [
  [{ id: 1, name: "alpha" }, { id: 2, name: "beta" }],
  [{ id: 3, name: "gamma" }, { id: 4, name: "delta" }],
  [{ id: 5, name: "epsilon" }],
];
const CHANGES = {
  "2020-01-02": [{ id: 2, name: "beta, renamed" }],
  "2020-01-03": [{ id: 6, name: "zeta" }],
};

exports.handler = async ({ state, setup_test: setupTest }) => {
  if (setupTest) {
    return answer(state, []);
  }
  if (state.lastUpdate) {
    const day = dayAfter(state.lastUpdate);
    return answer({ lastUpdate: day, paginationCounter: 0 }, CHANGES[day] ?? []);
  }
  const page = state.paginationCounter ?? 0;
  if (page + 1 < PAGES.length) {
    // The date must not move before the last page is sent.
    return answer({ lastUpdate: "", paginationCounter: page + 1 }, PAGES[page], true);
  }
  return answer({ lastUpdate: FIRST_DAY, paginationCounter: 0 }, PAGES[page]);
};

function answer(state, rows, hasMore = false) {
  return {
    state,
    insert: { apiJsonResponseTable: rows },
    schema: { apiJsonResponseTable: { primary_key: ["id"] } },
    hasMore,
  };
}

function dayAfter(day) {
  const next = new Date(`${day}T00:00:00Z`);
  next.setUTCDate(next.getUTCDate() + 1);
  return next.toISOString().slice(0, 10);
}
