//! Every fault at every step: nothing lost, nothing doubled, in no table and by no pair of faults.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use simulation::fault::{FAULTS, Fault, Plan, singles, triple};
use simulation::mutant::Mutant;
use simulation::scenario::Scenario;
use simulation::world::simulate;

/// How long triples are searched when `HASMORE_SIM_SECONDS` says nothing.
const TRIPLE_SECONDS: u64 = 20;
/// Where the search begins: another number is another search.
const SEED: u64 = 20_260_101;
const THREADS: u64 = 2;

fn steps_of(scenario: &Scenario, plan: &Plan) -> u64 {
    simulate(scenario, plan, Mutant::None)
        .unwrap_or_else(|error| panic!("{}: {plan:?}: {error}", scenario.name))
}

/// Every plan of one fault, and the steps that it takes to the end.
fn any_one_fault_of(scenario: &Scenario) -> Vec<(Plan, u64)> {
    let steps = steps_of(scenario, &Plan::new());
    let plans = singles(steps).into_iter();
    plans.map(|plan| (plan.clone(), steps_of(scenario, &plan))).collect()
}

#[test]
fn f_073_f_074_f_121_any_one_fault_loses_and_doubles_nothing() {
    for scenario in Scenario::all() {
        let plans = any_one_fault_of(&scenario);
        println!("{}: {} plans of one fault", scenario.name, plans.len());
    }
}

#[test]
fn any_two_faults_lose_and_double_nothing() {
    for scenario in Scenario::all() {
        let (started_at, singles) = (Instant::now(), any_one_fault_of(&scenario));
        let (next, runs) = (AtomicUsize::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    while let Some(single) = singles.get(next.fetch_add(1, Ordering::Relaxed)) {
                        runs.fetch_add(second_faults(&scenario, single), Ordering::Relaxed);
                    }
                });
            }
        });
        let (runs, took) = (runs.into_inner(), started_at.elapsed());
        println!("{}: {runs} plans of two faults in {took:.1?}", scenario.name);
    }
}

/// A second fault at every step that is left after the first.
fn second_faults(scenario: &Scenario, (first, steps): &(Plan, u64)) -> u64 {
    let (&step, _) = first.first_key_value().expect("a plan of one fault");
    let later = step + 1..*steps;
    for (at, fault) in later.clone().flat_map(|at| FAULTS.map(|fault| (at, fault))) {
        let mut plan = first.clone();
        plan.insert(at, fault);
        steps_of(scenario, &plan);
    }
    (later.end - later.start) * FAULTS.len() as u64
}

#[test]
fn seeded_triples_lose_and_double_nothing() {
    let seconds = std::env::var("HASMORE_SIM_SECONDS").map_or(TRIPLE_SECONDS, |seconds| {
        seconds.parse().expect("HASMORE_SIM_SECONDS is a number of seconds")
    });
    let scenarios: Vec<(Scenario, u64)> = Scenario::all()
        .into_iter()
        .map(|scenario| {
            // Three faults lengthen the story by a few steps.
            let steps = steps_of(&scenario, &Plan::new()) + 10;
            (scenario, steps)
        })
        .collect();
    let (until, runs) = (Instant::now() + Duration::from_secs(seconds), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (scenarios, runs) = (&scenarios, &runs);
            scope.spawn(move || {
                let mut seed = SEED + thread;
                while Instant::now() < until {
                    for (scenario, steps) in scenarios {
                        steps_of(scenario, &triple(seed, *steps));
                        runs.fetch_add(1, Ordering::Relaxed);
                    }
                    seed += THREADS;
                }
            });
        }
    });
    println!("{} plans of three faults in {seconds} s, from seed {SEED}", runs.into_inner());
}

#[test]
fn the_harness_notices_every_mutant() {
    for mutant in Mutant::ALL {
        let (mut noticed, mut plans) = (0, 0);
        let mut example = None;
        for scenario in Scenario::all() {
            let steps = steps_of(&scenario, &Plan::new());
            for plan in singles(steps) {
                plans += 1;
                if let Err(error) = simulate(&scenario, &plan, mutant) {
                    noticed += 1;
                    example.get_or_insert((scenario.name, plan, error));
                }
            }
        }
        println!("{mutant:?}: {noticed} of {plans} plans of one fault notice");
        let (scenario, plan, error) =
            example.unwrap_or_else(|| panic!("{mutant:?} went unnoticed"));
        println!("    {scenario}: {plan:?}: {error:.160}");
    }
}

#[test]
fn without_a_fault_only_what_is_always_wrong_is_noticed() {
    let noticed: Vec<Mutant> = Mutant::ALL
        .into_iter()
        .filter(|mutant| {
            let fails = |scenario: &Scenario| simulate(scenario, &Plan::new(), *mutant).is_err();
            Scenario::all().iter().any(fails)
        })
        .collect();
    println!("{noticed:?}");
    for needs_a_fault in [
        Mutant::StateBeforeRows,
        Mutant::OrdinalIgnored,
        Mutant::OkOnNothing,
        Mutant::RetriesBlindly,
        Mutant::FunctionKeepsItsPlace,
    ] {
        assert!(!noticed.contains(&needs_a_fault), "{needs_a_fault:?}");
    }
}

#[test]
fn a_plan_is_its_own_reproduction() {
    let scenario = &Scenario::all()[0];
    let plan = Plan::from([(3, Fault::AnswerLost), (5, Fault::Rival), (9, Fault::CrashAfter)]);
    assert_eq!(steps_of(scenario, &plan), steps_of(scenario, &plan));
    assert_eq!(triple(7, 30), triple(7, 30));
}
