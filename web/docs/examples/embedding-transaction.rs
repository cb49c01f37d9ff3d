//! Acknowledges a message and publishes another one in a transaction.

use futures_util::StreamExt;
use std::error::Error;
use stompbox::{Config, Listeners, Server};

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().event_interval(16).enable_all().build()?;
    runtime.block_on(async {
        let server = Server::start(Config::default(), Listeners::default())?;
        let mut worker = server.client(Some("worker"), &["service"]);
        worker.subscribe_with_acknowledgement("/queue/orders")?;
        worker.publish("/queue/orders", &[], "order 1").await?;

        let order = worker.next().await.expect("the broker runs")?;
        let mut transaction = worker.transaction();
        transaction.publish("/queue/invoices", &[], "invoice 1")?;
        transaction.acknowledge(&order)?;
        transaction.commit().await?;
        println!("processed {}", String::from_utf8_lossy(order.body()));
        server.shut_down().await;
        Ok::<(), Box<dyn Error>>(())
    })
}
