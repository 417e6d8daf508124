//! The rights that are needed, and no others.

use crate::support::{World, check_refused, rows, told, unique};

/// As `docs/guide/postgres.md` lists them.
fn grants(database: &str, role: &str) -> [String; 2] {
    [
        format!("GRANT TEMPORARY ON DATABASE {database} TO {role}"),
        format!("GRANT CREATE ON DATABASE {database} TO {role}"),
    ]
}

struct Role {
    world: World,
    name: String,
}

impl Role {
    /// Somebody who may do nothing but connect, and a world that lands as them.
    fn new() -> Role {
        let (mut world, name) = (World::new(), unique("r"));
        world.by_hand(&format!(
            "CREATE ROLE {name}; REVOKE ALL ON DATABASE {0} FROM PUBLIC; \
             GRANT CONNECT ON DATABASE {0} TO {name}",
            world.database()
        ));
        world.settings = vec![format!("role={name}")];
        Role { world, name }
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        self.world.by_hand(&format!("DROP OWNED BY {0} CASCADE; DROP ROLE {0}", self.name));
    }
}

/// Every kind of statement that a commit can have.
fn whole_life(world: &World) {
    let pages = [
        r#"{"state":{},"insert":{"t":[{"id":1,"v":1},{"id":2,"v":2}],"k":[{"a":1}]},"schema":{"t":{"primary_key":["id"]}},"hasMore":true}"#,
        r#"{"state":{},"insert":{"t":[{"id":1,"v":1},{"id":2,"v":"x","w":1.5}]},"delete":{"t":[{"id":1}]},"hasMore":true}"#,
        r#"{"state":{},"insert":{"t":[{"id":"x"}]},"softDelete":["t","k"],"hasMore":false}"#,
        r#"{"state":{},"insert":{"t":[{"id":{}}]},"hasMore":false}"#,
    ];
    for (sync, page) in (0..).zip(pages) {
        world.land(sync, page).unwrap_or_else(|error| panic!("{page}: {error}"));
    }
}

#[test]
fn the_listed_rights_are_enough() {
    let role = Role::new();
    for grant in grants(role.world.database(), &role.name) {
        role.world.by_hand(&grant);
    }
    whole_life(&role.world);
}

#[test]
fn schemas_that_are_there_need_no_right_to_create_schemas() {
    let role = Role::new();
    role.world.by_hand(&grants(role.world.database(), &role.name)[0]);
    role.world.by_hand(&format!(
        "CREATE SCHEMA shop AUTHORIZATION {0}; CREATE SCHEMA _hasmore AUTHORIZATION {0}",
        role.name
    ));
    whole_life(&role.world);
}

#[test]
fn a_right_that_is_missing_is_told() {
    let role = Role::new();
    let [temporary, create] = grants(role.world.database(), &role.name);
    let first = rows(r#"[{"id":1,"v":1}]"#);
    let refused = told(&role.world.land(0, &first));
    assert!(refused.starts_with("destination_permission: "), "{refused}");
    assert!(refused.contains("creating schema shop"), "{refused}");
    role.world.by_hand(&create);
    role.world.land(0, &first).expect("schemas may be created");
    // Only the second commit needs a temporary table.
    check_refused(
        &role.world,
        &rows(r#"[{"id":2,"v":2}]"#),
        "destination_permission",
        "temporary tables",
        || role.world.by_hand(&temporary),
    );
}

#[test]
fn rows_that_a_policy_hides_are_no_surprise() {
    let role = Role::new();
    for grant in grants(role.world.database(), &role.name) {
        role.world.by_hand(&grant);
    }
    role.world.land(0, &rows(r#"[{"id":1,"v":1}]"#)).expect("a first page");
    role.world.by_hand("ALTER TABLE shop.t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY");
    check_refused(
        &role.world,
        &rows(r#"[{"id":1,"v":2}]"#),
        "destination_permission",
        "row-level security",
        || {
            role.world.by_hand(
                "ALTER TABLE shop.t DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY",
            );
        },
    );
}
