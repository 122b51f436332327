//! Downloads, from a real gateway that has fetched the file from a server of the test's own.

mod support;

use std::io::Write;
use std::net::TcpListener;

use sha2::{Digest, Sha256};
use straw_client::v1::{GetExportRequest, export};
use straw_client::{Client, Code, Download, Error, ErrorReason};
use support::gateway::Gateway;
use support::proxy::{Proxy, Treatment};
use support::{client, eventually, soon};

/// Bytes that don't repeat.
fn content(length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    (0..length).map(|_| random.u8(..)).collect()
}

/// Serves one file to whoever connects.
fn serve(file: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let request = read_head(&mut connection);
            assert!(request.starts_with("GET "), "{request}");
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                file.len()
            );
            _ = connection.write_all(head.as_bytes()).and_then(|()| connection.write_all(&file));
        }
    });
    address
}

fn read_head(connection: &mut std::net::TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && std::io::Read::read(connection, &mut byte).unwrap() == 1 {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// A gateway that has stored a file as the export `exp-1`.
async fn gateway_with(file: &[u8]) -> Gateway {
    let server = serve(file.to_vec());
    let gateway = Gateway::start_with(&["--export-allow-host", &server]);
    gateway.post_one(&format!(
        r#"{{"id":"evt-1","type":"export.ready","data":{{"export_id":"exp-1","download_url":"http://{server}/file"}}}}"#
    ));
    let client = client(&gateway.grpc);
    eventually("the export is stored", || async { state(&client).await == Some(export::State::Available) })
        .await;
    gateway
}

async fn state(client: &Client) -> Option<export::State> {
    let request = GetExportRequest { id: "exp-1".into() };
    client.exports().get_export(request).await.ok().map(|e| e.into_inner().state())
}

async fn collect(download: &mut Download) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    while let Some(piece) = soon(download.next()).await {
        bytes.extend_from_slice(&piece?);
    }
    Ok(bytes)
}

#[tokio::test]
async fn a_file_comes_whole_over_cut_connections() {
    let file = content(3_000_000);
    let gateway = gateway_with(&file).await;
    let proxy =
        Proxy::start(&gateway.grpc, vec![Treatment::CutAfter(900_000), Treatment::CutAfter(700_001)]).await;
    let mut download = soon(client(&proxy.address).download("exp-1")).await.unwrap();
    assert_eq!(download.size(), 3_000_000);
    assert_eq!(download.sha256().len(), 64);
    assert!(collect(&mut download).await.unwrap() == file, "the bytes differ");
    assert_eq!((download.offset(), proxy.connections()), (3_000_000, 3));
    assert_eq!(download.sha256(), format!("{:x}", Sha256::digest(&file)));
}

#[tokio::test]
async fn a_file_that_was_begun_is_gone_on_with() {
    let file = content(500_000);
    let gateway = gateway_with(&file).await;
    let client = client(&gateway.grpc);
    for begun in [1, 200_000, 500_000] {
        let mut download = soon(client.resume_download("exp-1", &file[..begun])).await.unwrap();
        assert!(collect(&mut download).await.unwrap() == file[begun..], "the bytes after {begun} differ");
    }
    let mut download = soon(client.resume_download("exp-1", &content(1001)[1..])).await.unwrap();
    let error = collect(&mut download).await.unwrap_err();
    assert!(matches!(&error, Error::Checksum { want, .. } if want == download.sha256()), "{error}");
    assert_eq!(error.code(), Code::DataLoss);
}

#[tokio::test]
async fn an_export_that_is_not_there_is_an_error() {
    let gateway = Gateway::start();
    let error = soon(client(&gateway.grpc).download("nobody")).await.unwrap_err();
    assert_eq!((error.code(), error.reason()), (Code::NotFound, ErrorReason::ExportNotFound));
}

#[tokio::test]
async fn a_gateway_that_stays_away_ends_a_download() {
    let mut gateway = Gateway::start();
    gateway.kill();
    let error = soon(client(&gateway.grpc).download("exp-1")).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
}
