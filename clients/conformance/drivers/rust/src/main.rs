//! Drives the Rust client as the conformance cases tell it to. It uses nothing but what the client offers to every program,
//! and judges nothing: it prints what it sees.

mod call;
mod consume;
mod durable;
mod output;
mod subscribe;

use std::process::ExitCode;

use serde::Deserialize;
use straw_client::Client;
use tokio::io::AsyncReadExt;
use tokio::sync::watch;

/// What went wrong in the driver itself.
type Fault = Box<dyn std::error::Error>;

/// One argument: what to do, and at which gateway.
#[derive(Deserialize)]
struct Argument {
    op: String,
    address: String,
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

impl Argument {
    /// The members of an operation; an unknown one is an error.
    fn members<T: for<'a> Deserialize<'a>>(self) -> Result<T, serde_json::Error> {
        serde_json::from_value(self.rest.into())
    }
}

/// Tells that the driver is to stop gracefully: its stdin has ended, or it has seen enough.
#[derive(Clone)]
struct Stop(watch::Sender<bool>);

impl Stop {
    fn at_end_of_stdin() -> Self {
        let stop = Stop(watch::Sender::new(false));
        let told = stop.clone();
        tokio::spawn(async move {
            _ = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
            told.now();
        });
        stop
    }

    fn now(&self) {
        self.0.send_replace(true);
    }

    async fn told(&self) {
        // It can't fail: this is a sender.
        _ = self.0.subscribe().wait_for(|stop| *stop).await;
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let code = match run().await {
        Ok(()) => 0,
        Err(fault) => {
            eprintln!("{fault}");
            1
        }
    };
    // Not by returning: the runtime would wait for stdin to end.
    std::process::exit(code)
}

async fn run() -> Result<(), Fault> {
    let mut arguments = std::env::args().skip(1);
    let (Some(argument), None) = (arguments.next(), arguments.next()) else {
        return Err("usage: driver '{\"op\": …, \"address\": …}'".into());
    };
    let argument: Argument = serde_json::from_str(&argument)?;
    let client = Client::connect(&argument.address)?;
    let stop = Stop::at_end_of_stdin();
    match argument.op.as_str() {
        "subscribe" => subscribe::run(argument.members()?, &client, &stop).await,
        "consume" => consume::run(argument.members()?, &client, &stop).await,
        "settle" => durable::settle(argument.members()?, &client).await,
        "manage" => durable::manage(argument.members()?, &client).await,
        "download" => call::download(argument.members()?, &client).await,
        "get" => call::get(argument.members()?, &client).await,
        "verify" => call::verify(&argument.members()?),
        "status" => call::status(argument.members()?, &client).await,
        op => Err(format!("there is no op {op:?}").into()),
    }
}
