use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, sink};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// What happens to the bytes from the gateway to the client, over one connection.
#[derive(Clone, Copy)]
pub enum Treatment {
    Pass,
    /// After so many bytes both sides are closed.
    CutAfter(u64),
    /// After so many bytes nothing more is passed, and nothing closed.
    HangAfter(u64),
}

/// A TCP proxy. The first connections are treated as listed, further ones passed.
pub struct Proxy {
    pub address: String,
    connections: Arc<Mutex<usize>>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    pub async fn start(target: &str, treatments: Vec<Treatment>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let connections = Arc::new(Mutex::new(0));
        let (count, target) = (Arc::clone(&connections), target.to_owned());
        let accepting = tokio::spawn(async move {
            let mut open = JoinSet::new();
            let mut treatments = treatments.into_iter();
            while let Ok((client, _)) = listener.accept().await {
                *count.lock().unwrap() += 1;
                let treatment = treatments.next().unwrap_or(Treatment::Pass);
                let target = target.clone();
                open.spawn(async move {
                    if let Ok(server) = TcpStream::connect(target).await {
                        treat(client, server, treatment).await;
                    }
                });
            }
        });
        Proxy { address, connections, accepting }
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn treat(client: TcpStream, server: TcpStream, treatment: Treatment) {
    let ((mut from_client, to_client), (from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    tokio::select! {
        _ = copy(&mut from_client, &mut to_server) => {}
        () = answer(from_server, to_client, treatment) => {}
    }
}

/// How a side ended makes no difference.
async fn answer(mut server: OwnedReadHalf, mut client: OwnedWriteHalf, treatment: Treatment) {
    match treatment {
        Treatment::Pass => _ = copy(&mut server, &mut client).await,
        Treatment::CutAfter(bytes) => _ = copy(&mut (&mut server).take(bytes), &mut client).await,
        Treatment::HangAfter(bytes) => {
            _ = copy(&mut (&mut server).take(bytes), &mut client).await;
            _ = client.flush().await;
            _ = copy(&mut server, &mut sink()).await;
        }
    }
}
