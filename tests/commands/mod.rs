//! Each command that a page shows is run as it is written. One that cannot be is in a table, with what is checked of it.

mod aws;
mod check;
mod page;
mod rows;
mod words;
mod world;

use std::collections::BTreeSet;

use page::Session;
use rows::ROWS;
use world::World;

/// What is wrong with these commands, each with its page and line. Rows that accounted for one are noted.
fn wrong_with(sessions: &[Session], world: &World, used: &mut BTreeSet<usize>) -> Vec<String> {
    let mut wrong = Vec::new();
    for session in sessions {
        let mut exported = String::new();
        for shown in session {
            let found = match rows::row(&shown.text) {
                None => Err("no row of tests/commands/rows.rs accounts for it".to_owned()),
                Some(row) => {
                    used.insert(row);
                    let (_, how) = ROWS[row];
                    println!(
                        "{}:{}: {} ({})",
                        shown.page,
                        shown.line,
                        shown.text,
                        how.describe(shown.is_block)
                    );
                    check::check(how, shown, &mut exported, world)
                }
            };
            if let Err(error) = found {
                wrong.push(format!("{}:{}: `{}`: {error}", shown.page, shown.line, shown.text));
            }
        }
    }
    wrong
}

fn all() -> Vec<Session> {
    page::pages().iter().flat_map(|(page, text)| page::sessions(page, text)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_command_of_the_pages_is_run_or_accounted_for() {
    let world = World::new().await;
    let (sessions, mut used) = (all(), BTreeSet::new());
    let wrong = wrong_with(&sessions, &world, &mut used);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let count = sessions.iter().map(Vec::len).sum::<usize>();
    println!("{count} commands");
    assert!(count > 60, "{count}: the pages have more");
    let unused: Vec<_> =
        (0..ROWS.len()).filter(|row| !used.contains(row)).map(|row| ROWS[row]).collect();
    assert!(unused.is_empty(), "no page shows these any more: {unused:?}");
}

/// Pages with one wrong command each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_does_not_work_is_found_with_its_page_and_line() {
    let world = World::new().await;
    for (command, error) in [
        ("sam deploy --guided", "no row"),
        ("cargo publish", "no row"),
        ("deploy/all", "no row"),
        ("funcify circuit list --stat open", "--stat"),
        ("funcify circuit shut warehouse", "shut"),
        ("funcify circuit show warehouse --fail-if-opened", "--fail-if-opened"),
        ("funcify circuit open warehouse --for 30m", "--reason"),
        ("funcify token show NO_SUCH_TOKEN", "exit code"),
        ("cargo run --example order", "no example order"),
        ("cargo run --example orders --feature redis", "--feature"),
        ("cargo run --example orders --features rediss", "no feature rediss"),
        ("cargo run --example orders -- --jsn", "--jsn"),
        ("cargo run -p funcify-simulators --example fleet", "does not find"),
        ("cargo run --release --example fleet -- --scenari outage", "--scenari"),
        ("cargo run --example fleet -- --scenario outage --policy none.toml", "none.toml"),
        ("curl -i localhost:3000/order/7 -H \"authorization: Bearer $TOKEN\"", "404"),
        ("curl -i localhost:3000/orders/7", "401"),
        ("tests/run --longer", "--longer"),
        ("tests/run --repeat 20 -- strom", "strom"),
        ("FUNCIFY_TEST_REDS=redis://localhost tests/run -- redis::contract", "FUNCIFY_TEST_REDS"),
        (".ci/words --fix", "--fix"),
        ("python3 .ci/public_api --udpate", "--udpate"),
        ("python3 .ci/public_apis --update", "no row"),
        ("cargo build --relase", "nothing checks"),
        ("cargo bench --bench pears", "no benchmark pears"),
        ("cargo bench --bench peers -- --fast", "--fast"),
        ("cargo bench --bench peers -- SMTP", "SMTP"),
        ("cargo install --path client", "client has no program"),
        ("cargo lambda build --releases", "--releases"),
        ("exit 3", "no row"),
    ] {
        for (page, line) in [
            (format!("one\n\n```sh\n# two\n{command}  # three\n```\n"), 5),
            (format!("`{command}`\n"), 1),
        ] {
            let sessions = page::sessions("page.md", &page);
            // What is not a known program is no command in the running text.
            if line == 1 && ["exit 3", "deploy/all"].contains(&command) {
                assert!(sessions.is_empty());
                continue;
            }
            // There, a name is only an example, and what a command cannot do without may be left out.
            if line == 1 && ["NO_SUCH", "--for 30m"].iter().any(|part| command.contains(part)) {
                continue;
            }
            let wrong = wrong_with(&sessions, &world, &mut BTreeSet::new());
            let [wrong] = &wrong[..] else { panic!("{command} must be found once: {wrong:?}") };
            let place = format!("page.md:{line}: `{command}`");
            assert!(wrong.starts_with(&place) && wrong.contains(error), "{wrong}");
        }
    }
}

#[test]
fn commands_are_found_in_blocks_after_a_dollar_and_in_the_running_text() {
    let page = "`cargo fmt` and `tests/run\n--long` and `FUNCIFY_BACKEND` and ``funcify man``.\n\
        ```text\n$ funcify doctor\nfine\n```\n```rust\nfn a() {}\n```\n\
        ```sh\na \\\n  --b |\n  c\n\nexport D=\"# e\"  # f\n```\n`funcify`\n";
    let found: Vec<_> = page::sessions("page.md", page)
        .into_iter()
        .map(|session| {
            session.iter().map(|shown| (shown.line, shown.text.clone())).collect::<Vec<_>>()
        })
        .collect();
    let one = |line, text: &str| vec![(line, text.to_owned())];
    let block = vec![(11, "a \\\n--b |\nc".to_owned()), (15, "export D=\"# e\"".to_owned())];
    let expected = [
        one(4, "funcify doctor"),
        block,
        one(1, "cargo fmt"),
        one(1, "tests/run --long"),
        one(2, "funcify man"),
    ];
    assert_eq!(found, expected);
}
