//! Consumes a durable subscription with a handler, and drains on Ctrl-C.

use straw_client::v1::subscription::Start;
use straw_client::v1::{CreateSubscriptionRequest, StartPosition, Subscription};
use straw_client::{Client, ConsumeOptions, Delivery, Error, Nack, Payload};

async fn handle(delivery: Delivery) -> Result<(), Nack> {
    match &delivery.event.payload {
        Some(Payload::ExportStored(export)) => println!("fetch {}", export.export_id),
        Some(Payload::Unrecognized(why)) => return Err(Nack::dead_letter().because(&why.detail)),
        _ => println!("{} {}, attempt {}", delivery.event.r#type, delivery.event.id, delivery.attempt),
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let client = Client::connect("127.0.0.1:9090")?;
    let start = Some(Start::StartPosition(StartPosition::Earliest.into()));
    let billing = Subscription { id: "billing".into(), start, ..Subscription::default() };
    let request = CreateSubscriptionRequest { subscription: Some(billing) };
    client.subscriptions().create_subscription(request).await?; // returns it if it exists

    let interrupted = async { _ = tokio::signal::ctrl_c().await };
    client.consume(ConsumeOptions::new("billing"), handle).with_graceful_shutdown(interrupted).await
}
