use engine::{Batch, Destination, Position, PrimaryKey, Resync};

use crate::arguments::{GlobalArguments, ResyncArguments};
use crate::failure::{Exit, Failure};
use crate::output::outln;
use crate::store::{self, Stored};

/// Asks for a resync, which the next sync begins; what is there stays until what is new is in. A resync
/// that is interrupted is gone on with by the sync after it.
pub(crate) fn run(global: &GlobalArguments, arguments: &ResyncArguments) -> Result<Exit, Failure> {
    let resync = Resync {
        mark_missing: !arguments.keep_missing,
        rebuild: arguments.rebuild,
        table: arguments.table.clone(),
    };
    super::runtime().block_on(async {
        let stored = store::one(global, &arguments.stored).await?;
        if let Some(table) = &resync.table {
            let position = store::look(&stored).await?.position().await?;
            check_table(&stored, &position, table)?;
        }
        super::state::land_change(&stored, |position, run| Batch::resync(position, &resync, run))
            .await?;
        outln!("{}: {}", stored.connection, told(&resync));
        Ok(Exit::Landed)
    })
}

/// One table is read again while the others stand still; they are then sent once more what they have
/// seen since, and so is it: without a key its rows would be there twice.
fn check_table(stored: &Stored, position: &Position, table: &str) -> Result<(), Failure> {
    let tables = &position.schema().tables;
    let Some(known) = tables.get(table) else {
        let message = format!("connection {:.60} has no table {table:.60}", stored.connection);
        let names = tables.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        return Err(Failure::new("unknown_table", message).hint(format!("it has {names}")));
    };
    if matches!(known.primary_key, PrimaryKey::BatchIndex) {
        let message =
            format!("table {table:.60} has no key, so its rows cannot be read again alone");
        return Err(Failure::new("resync_without_key", message));
    }
    Ok(())
}

fn told(resync: &Resync) -> String {
    let what = match &resync.table {
        Some(table) => format!("the next sync reads table {table} again from the beginning"),
        None => "the next sync begins again with {}".to_owned(),
    };
    let rows = match (resync.rebuild, resync.mark_missing) {
        (true, _) => "beside the old rows, and puts the new ones in their place at its end",
        (false, true) => "rows stay, and what it does not see is marked as deleted at its end",
        (false, false) => "rows stay",
    };
    let after = match &resync.table {
        Some(_) => "; the other tables go on afterwards from where they are",
        None => "",
    };
    format!("{what}; {rows}{after}")
}
