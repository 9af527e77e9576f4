//! `funcify circuit watch`: shows the circuits live in the terminal.

mod bars;
mod keys;
mod model;
mod view;

use std::{io::IsTerminal, process::ExitCode, thread, time::Duration};

use funcify::OperatedStore;
use funcify_core::{
    circuit::CircuitRecord,
    register::{Record, RecordName},
};
use ratatui::crossterm::event::{self, Event};
use serde_json::json;
use tokio::{
    sync::mpsc,
    time::{Instant, interval},
};

use self::{
    keys::Wish,
    model::{Model, Seen},
};
use crate::{
    circuit::{read, steer, text},
    error::{Failed, described},
    output::Output,
    time,
};

/// How often the names are listed anew, because listing reads the whole store. While there are no names,
/// they are listed at each read.
const LISTED_EVERY: Duration = Duration::from_secs(10);

/// How often the screen is drawn anew, so that the times on it move on.
const TICK: Duration = Duration::from_millis(250);

pub(crate) async fn run(
    store: &OperatedStore,
    names: Vec<RecordName>,
    every: Option<Duration>,
    output: Output,
) -> Result<ExitCode, Failed> {
    // A store that bills each read, or allows only a few in a second, is read less often.
    let every = every.unwrap_or(match store.backend {
        "ssm" => Duration::from_secs(5),
        "dynamodb" => Duration::from_secs(2),
        _ => Duration::from_millis(500),
    });
    let (seen, sights) = mpsc::channel(4);
    let reading = tokio::spawn(look(store.clone(), names, every, seen));
    let ended = if output.json {
        print(sights).await
    } else if std::io::stdout().is_terminal() && std::io::stdin().is_terminal() {
        show(store, sights).await
    } else {
        Err(Failed::usage("watch needs a terminal; add --json for one object a line"))
    };
    reading.abort();
    ended.map(|()| ExitCode::SUCCESS)
}

/// Reads the circuits again and again, even while the store is down.
async fn look(
    store: OperatedStore,
    wanted: Vec<RecordName>,
    every: Duration,
    seen: mpsc::Sender<Seen>,
) {
    let mut names = wanted.clone();
    let mut listed: Option<Instant> = None;
    let mut next = interval(every.max(Duration::from_millis(100)));
    loop {
        next.tick().await;
        let sight = async {
            let is_due = names.is_empty() || listed.is_none_or(|at| at.elapsed() >= LISTED_EVERY);
            if wanted.is_empty() && is_due {
                names = store.inventory.list(CircuitRecord::KIND).await?;
                listed = Some(Instant::now());
            }
            let mut circuits = Vec::with_capacity(names.len());
            for name in &names {
                circuits.push(read::one(&store, name).await?);
            }
            Ok::<_, Failed>(circuits)
        };
        let sight = sight.await.map_err(|failed| described(&failed));
        if seen.send(sight).await.is_err() {
            return;
        }
    }
}

/// Prints one JSON object in a line for each circuit after each read, until the reader closes the pipe.
async fn print(mut sights: mpsc::Receiver<Seen>) -> Result<(), Failed> {
    use std::io::Write;

    while let Some(sight) = sights.recv().await {
        let now = time::now();
        let mut out = std::io::stdout().lock();
        match sight {
            Ok(circuits) => {
                for circuit in &circuits {
                    writeln!(out, "{}", text::json(circuit, now))?;
                }
            }
            Err(error) => writeln!(out, "{}", json!({ "store": "down", "error": error }))?,
        }
        out.flush()?;
    }
    Ok(())
}

async fn show(store: &OperatedStore, mut sights: mpsc::Receiver<Seen>) -> Result<(), Failed> {
    let mut pressed = keyboard();
    let (done, mut results) = mpsc::channel(4);
    let mut model = Model::new(store.backend);
    let mut tick = interval(TICK);
    let mut terminal = ratatui::init();
    let ended = loop {
        if let Err(error) = terminal.draw(|frame| view::draw(frame, &model, time::now())) {
            break Err(Failed::Io(error));
        }
        tokio::select! {
            _ = tick.tick() => {}
            Some(sight) = sights.recv() => model.sees(sight, time::now()),
            Some(result) = results.recv() => model.message = result,
            event = pressed.recv() => match event.and_then(|event| keys::wish(&event, &mut model)) {
                Some(Wish::Quit) => break Ok(()),
                Some(Wish::Steer(steered)) => {
                    let (store, done) = (store.clone(), done.clone());
                    tokio::spawn(async move {
                        let result = match steer::live(&store, &steered).await {
                            Ok(()) => steered.done(),
                            Err(failed) => described(&failed),
                        };
                        drop(done.send(result).await);
                    });
                }
                None => {}
            },
        }
    };
    ratatui::restore();
    ended
}

/// The events of the keyboard. A thread reads them, because reading blocks.
fn keyboard() -> mpsc::Receiver<Event> {
    let (pressed, keys) = mpsc::channel(16);
    thread::spawn(move || {
        while let Ok(event) = event::read() {
            if pressed.blocking_send(event).is_err() {
                return;
            }
        }
    });
    keys
}
