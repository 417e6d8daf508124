//! The in-memory destination passes the suite that it is the reference for.

simulation::conformance!(simulation::memory::Memory::default());
