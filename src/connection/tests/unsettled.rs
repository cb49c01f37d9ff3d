//! Tests of deliveries that wait for an acknowledgement while the byte budget is nearly used up.

use super::client::Client;
use super::*;

/// Number of deliveries whose records take 64 KiB.
const RECORDS: usize = 2048;

/// Returns `count` SEND frames to `destination`.
fn sends(destination: &str, count: usize) -> String {
    format!("SEND\ndestination:{destination}\n\nx\0").repeat(count)
}

#[tokio::test]
async fn near_the_byte_budget_deliveries_of_queues_do_not_count_as_unsettled_broadcasts() {
    for mode in ["auto", "client"] {
        let mut config = config();
        config.outbound_queue.slow_consumer_grace = Duration::ZERO;
        let context = context_with(config);
        let mut publisher = Client::connect(&context, "").await;
        publisher.send(&(sends("/queue/a", RECORDS) + &sends("/queue/b", 100))).await;
        while context.metrics.queue_messages.get() < RECORDS as i64 + 100 {
            assert!(publisher.poll().await.1.is_pending());
        }
        let _near = context.budget.charge(context.budget.bytes_max() - context.budget.bytes_max() / 8);
        let mut worker = Client::connect(&context, "").await;
        let of_queue = |name: &str| {
            let headers = "ack:client-individual\nprefetch-count:4000\nprefetch-bytes:1000000";
            format!("SUBSCRIBE\nid:{name}\ndestination:/queue/{name}\n{headers}\n\n\0")
        };
        worker.send(&format!("SUBSCRIBE\nid:t\ndestination:/topic/a\nack:{mode}\n\n\0")).await;
        worker.send(&of_queue("a")).await;
        while worker.text.matches("MESSAGE\n").count() < RECORDS {
            assert!(worker.poll().await.1.is_pending(), "{mode}");
        }
        // One batch from the outbound queue contains the message of the topic and further deliveries of a queue.
        worker.send(&(sends("/topic/a", 1) + &of_queue("b"))).await;
        while worker.text.matches("MESSAGE\n").count() < RECORDS + 101 {
            assert!(
                worker.poll().await.1.is_pending(),
                "{mode}: {}",
                &worker.text[worker.text.len() - 500..]
            );
        }
        if mode == "client" {
            publisher.send(&sends("/topic/a", RECORDS)).await;
            while !worker.text.contains("message:slow consumer\n") {
                assert!(publisher.poll().await.1.is_pending());
                let _ = worker.poll().await;
            }
            assert!(worker.text.contains("\n\n2049 broadcast messages wait for an ACK"));
        }
    }
}
