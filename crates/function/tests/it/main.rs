//! The built binary wherever it may be deployed: behind Lambda's Runtime API, in a container, as an Azure
//! custom handler; called by the engine, which lands its rows.

mod deployed;
mod limits;
mod objects;
mod package;
mod start;
mod upstream;
