//! The suite that every destination passes. [`conformance!`](crate::conformance!) makes a test of each
//! check.

pub mod bench;
pub mod deletes;
pub mod evolution;
pub mod joining;
pub mod landing;
pub mod modes;
pub mod names;
pub mod policies;
pub mod upserts;
pub mod values;
pub mod widening;

use std::collections::BTreeMap;

use engine::{Destination, NulCharacters};

/// One place to land, empty when it is made: a file, a database, a folder.
pub trait Storage {
    type Destination: Destination + Send;
    /// Random stories that are landed twice, joined and apart: hundreds where a commit costs nothing.
    const JOINED_STORIES: u64;
    /// Whether it holds U+0000 in a text.
    const NUL_CHARACTERS: NulCharacters = NulCharacters::Keep;

    /// Opens the destination, as a process does that starts.
    fn open(&self) -> Self::Destination;

    /// The table as it is stored; `None` where there is none. The destination is not open meanwhile.
    fn read(&self, table: &str) -> Option<StoredTable>;

    /// Makes a table that is not ours, with one column and one row (F-199).
    fn create_unmanaged(&self, table: &str);
}

/// What somebody finds who looks into the database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredTable {
    /// Each column's type, by the names that [`engine::ColumnType`] prints.
    pub columns: BTreeMap<String, String>,
    /// Each value as its canonical text ([`crate::cell::texts`]); `None` is NULL.
    pub rows: Vec<BTreeMap<String, Option<String>>>,
}

/// Every check as a test, for a destination whose storage is made by an expression.
#[macro_export]
macro_rules! conformance {
    ($storage:expr) => {
        $crate::conformance! { @tests $storage;
            values {
                f_165_to_f_168_numbers_keep_every_digit
                f_162_numbers_of_every_size_in_one_column
                f_169_to_f_172_f_181_dates_and_times
                f_183_dec_62_any_text_comes_back
                f_176_nested_values_stay_as_they_were_written
                nesting_ten_thousand_deep_comes_back
                f_160_f_161_nulls_and_late_columns
                long_values_come_back
            }
            names {
                f_152_reserved_words_are_names
                f_149_long_names_are_names
                f_151_hostile_names_are_names
                f_151_names_of_any_alphabet_are_names
                many_columns_and_tables_come_back
            }
            evolution {
                tables_and_columns_appear
                dec_43_soft_deletes_appear_for_the_rows_that_are_there
                soft_deletes_and_other_changes_share_a_commit
                f_195_f_196_what_vanishes_stays
                f_178_a_column_does_not_narrow
                f_179_many_rows_widen_at_once
                f_180_a_batch_that_fails_changes_no_schema
                f_199_a_table_that_is_not_ours_is_refused
            }
            widening {
                every_pair_of_types_widens_to_the_last_digit
                a_key_that_widens_meets_its_row
                several_columns_widen_in_one_commit
                a_column_that_widens_twice_in_one_commit_goes_through_both_types
            }
            upserts {
                f_100_a_row_is_replaced_whole
                f_101_f_102_the_last_word_on_a_key_counts
                f_103_keys_of_several_columns
                f_106_f_107_f_108_rows_without_key_are_counted
                f_109_equal_rows_are_one_by_their_hash
                f_110_every_row_says_when_it_was_synced
                f_128_a_known_key_needs_no_schema
                keys_of_every_type_meet_their_rows
                zero_is_one_key
            }
            deletes {
                f_111_f_113_f_114_a_soft_delete_marks
                f_112_a_hard_delete_removes
                f_116_f_117_deletes_and_inserts_of_one_key
                f_118_no_deletes_no_column
                f_119_f_126_a_sweep_marks_what_was_not_seen
                f_122_f_123_sweeps_of_silent_and_missing_tables
                f_125_soft_delete_is_stronger_than_hard
                dec_27_a_sweep_of_a_table_without_key
                dec_40_a_resync_marks_what_is_missing
            }
            modes {
                f_210_f_211_f_213_every_version_is_kept
                f_212_a_delete_and_a_sweep_end_a_version
                dec_66_timed_versions_do_not_depend_on_their_order
                f_214_history_is_turned_on_and_off
                live_tables_hold_what_is_there
                append_only_tables_grow
                a_sweep_of_too_much_is_refused
            }
            policies {
                f_191_f_193_what_is_held_back_is_recorded_and_approved
                f_197_digests_are_equal_in_every_life
                f_184_a_locked_column_holds_its_type
                contract_equal_values_of_every_type_are_found
                contract_a_row_that_stays_or_goes_keeps_no_other_out
            }
            landing {
                counts_say_what_happened_to_each_row
                a_replayed_batch_is_moved_and_changes_nothing
                a_rival_is_fenced
                the_same_position_is_found_again
                an_operator_edits_the_state_through_the_same_door
                a_batch_without_rows_moves_the_position
                states_come_back_byte_for_byte
            }
            joining {
                a_joined_batch_equals_its_pages
            }
        }
    };
    (@tests $storage:expr; $($module:ident { $($check:ident)* })*) => {
        $($(
            #[test]
            fn $check() {
                $crate::conformance::$module::$check(&|| $storage);
            }
        )*)*
    };
}
