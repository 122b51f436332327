//! Prints every event, and goes on where it was when it is started again.

use straw_client::{Client, Error, FileCursor, Payload, Start, SubscribeOptions};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let client = Client::connect("127.0.0.1:9090")?;
    let options = SubscribeOptions::new().start(Start::Earliest).cursor_store(FileCursor::new("position"));
    let mut events = client.subscribe(options);
    while let Some(event) = events.next().await {
        let event = event?;
        match event.payload {
            Some(Payload::Unrecognized(why)) => println!("{} {}: {}", event.r#type, event.id, why.detail),
            _ => println!("{} {}", event.r#type, event.id),
        }
    }
    Ok(())
}
