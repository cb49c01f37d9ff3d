//! Tests of frames that arrive in pieces.

use super::*;

/// Size of one piece, in bytes. It is the smallest size that counts as progress.
const PIECE_BYTES: usize = 4096;

/// Returns `frame`, the beginning of a frame, as one complete message of the transport.
fn encode_unfinished(transport: Transport, frame: &str) -> Vec<u8> {
    let message = match transport {
        Transport::Tcp => return frame.as_bytes().to_vec(),
        Transport::WebSocket => frame.as_bytes().to_vec(),
        Transport::SockJs => serde_json::to_vec(&[frame]).expect("valid JSON"),
    };
    let length = (message.len() as u64).to_be_bytes();
    // A text message in one WebSocket frame, masked with zeros.
    [&[0x81, 0x80 | 127], &length[..], &[0; 4], &message].concat()
}

#[tokio::test]
async fn an_upload_that_does_not_pause_makes_progress_with_every_piece() {
    for transport in [Transport::Tcp, Transport::WebSocket, Transport::SockJs] {
        let context = context();
        let (mut client, socket) = tokio::io::duplex(PIECE_BYTES);
        let mut connection = serve_over(&context, transport, socket);
        client.write_all(&transport.encode(&connect())).await.expect("the pipe has space");
        while context.metrics.sessions.get() == 0 {
            polls(&mut connection, 1).await;
        }
        let frame = format!("SEND\ndestination:/topic/a\n\n{}", "x".repeat(60 * PIECE_BYTES));
        let upload = encode_unfinished(transport, &frame);
        let mut progress_at = None;
        // The last piece is shorter.
        for (number, piece) in upload.chunks_exact(PIECE_BYTES).enumerate() {
            client.write_all(piece).await.expect("the pipe has space");
            polls(&mut connection, 1).await;
            let before = std::mem::replace(&mut progress_at, context.input.last_progress());
            assert!(number == 0 || progress_at > before, "piece {number} over {transport:?}");
        }
    }
}
