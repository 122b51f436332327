//! Durable subscriptions by their stubs.

use serde::Deserialize;
use serde_json::{Value, json};
use straw_client::v1::seek_subscription_request::Start;
use straw_client::v1::{
    AckResult, AcknowledgeRequest, CreateSubscriptionRequest, DeleteSubscriptionRequest, Delivery,
    ExtendDeadlineRequest, GetSubscriptionRequest, ListSubscriptionsRequest, NackRequest,
    SeekSubscriptionRequest, StartPosition, SubscribeRequest, Subscription, UpdateSubscriptionRequest,
};
use straw_client::{Client, Error};

use crate::Fault;
use crate::output::{failure, say};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    subscription: String,
    count: usize,
    acks: Vec<Call>,
}

/// One call with ack ids.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    r#do: Do,
    ids: Vec<AckId>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Do {
    Ack,
    Nack,
    Extend,
}

/// That of the delivery with this index, or the text.
#[derive(Deserialize)]
#[serde(untagged)]
enum AckId {
    Index(usize),
    Text(String),
}

impl Settle {
    async fn take(&self, client: &Client) -> Result<Vec<Delivery>, Error> {
        let request =
            SubscribeRequest { subscription_id: self.subscription.clone(), ..SubscribeRequest::default() };
        let mut frames = client.events().subscribe(request).await?.into_inner();
        let mut deliveries = Vec::new();
        while deliveries.len() < self.count {
            match frames.message().await? {
                Some(frame) => deliveries.extend(frame.deliveries),
                None => break,
            }
        }
        deliveries.truncate(self.count);
        let ids: Vec<&str> =
            deliveries.iter().filter_map(|d| d.event.as_ref()).map(|e| e.id.as_str()).collect();
        say(json!({"deliveries": ids}));
        for call in &self.acks {
            let ack_ids = call.ids.iter().map(|id| match id {
                AckId::Index(index) => deliveries[*index].ack_id.clone(),
                AckId::Text(text) => text.clone(),
            });
            let results = call_with(client, call.r#do, self.subscription.clone(), ack_ids.collect()).await?;
            let names: Vec<&str> = results.iter().map(|r| r.status().as_str_name()).collect();
            say(json!({"results": names}));
        }
        Ok(deliveries)
    }
}

async fn call_with(
    client: &Client,
    what: Do,
    subscription_id: String,
    ack_ids: Vec<String>,
) -> Result<Vec<AckResult>, Error> {
    let mut stub = client.subscriptions();
    Ok(match what {
        Do::Ack => {
            stub.acknowledge(AcknowledgeRequest { subscription_id, ack_ids }).await?.into_inner().results
        }
        Do::Extend => {
            stub.extend_deadline(ExtendDeadlineRequest { subscription_id, ack_ids })
                .await?
                .into_inner()
                .results
        }
        Do::Nack => {
            let request = NackRequest { subscription_id, ack_ids, ..NackRequest::default() };
            stub.nack(request).await?.into_inner().results
        }
    })
}

/// Takes deliveries off a raw stream, and settles them in calls of its own.
pub async fn settle(settle: Settle, client: &Client) -> Result<(), Fault> {
    match settle.take(client).await {
        Ok(_) => say(json!({"end": true})),
        Err(error) => say(failure(&error)),
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manage {
    subscription: String,
    types: Vec<String>,
}

impl Manage {
    async fn live(&self, client: &Client) -> Result<(), Error> {
        let mut stub = client.subscriptions();
        let subscription = Subscription {
            id: self.subscription.clone(),
            types: self.types.clone(),
            ..Subscription::default()
        };
        let create = CreateSubscriptionRequest { subscription: Some(subscription) };
        say(json!({"created": stub.create_subscription(create).await?.into_inner().id}));
        self.get(client).await?;
        say(json!({"listed": list(client).await?}));
        self.pause(client, true).await?;
        self.pause(client, false).await?;
        let seek = SeekSubscriptionRequest {
            subscription_id: self.subscription.clone(),
            start: Some(Start::StartPosition(StartPosition::Earliest.into())),
            dry_run: true,
        };
        say(json!({"owed": stub.seek_subscription(seek).await?.into_inner().owed_count}));
        stub.delete_subscription(DeleteSubscriptionRequest { id: self.subscription.clone() }).await?;
        say(json!({"deleted": true}));
        self.get(client).await
    }

    async fn get(&self, client: &Client) -> Result<(), Error> {
        let request = GetSubscriptionRequest { id: self.subscription.clone() };
        say(json!({"got": client.subscriptions().get_subscription(request).await?.into_inner().id}));
        Ok(())
    }

    async fn pause(&self, client: &Client, paused: bool) -> Result<(), Error> {
        let request = UpdateSubscriptionRequest {
            subscription: Some(Subscription {
                id: self.subscription.clone(),
                paused,
                ..Subscription::default()
            }),
            update_mask: Some(prost_types::FieldMask { paths: vec!["paused".into()] }),
        };
        say(
            json!({"paused": client.subscriptions().update_subscription(request).await?.into_inner().paused}),
        );
        Ok(())
    }
}

/// The ids on all pages.
async fn list(client: &Client) -> Result<Vec<Value>, Error> {
    let (mut ids, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListSubscriptionsRequest { page_size: 2, page_token };
        let page = client.subscriptions().list_subscriptions(request).await?.into_inner();
        ids.extend(page.subscriptions.into_iter().map(|s| Value::from(s.id)));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(ids);
        }
    }
}

/// Leads a subscription through its life.
pub async fn manage(manage: Manage, client: &Client) -> Result<(), Fault> {
    if let Err(error) = manage.live(client).await {
        say(failure(&error));
    }
    Ok(())
}
