<?php
// PHP clients that copy all headers of a MESSAGE into its ACK, including `content-length`: the PECL extension, and a
// client that writes frames like stomp-php of FuseSource.
//
// Usage: php echo_headers.php TCP_PORT HTTP_PORT. Prints one line for each step. Exits with 1 after a failure.

declare(strict_types=1);

/** A deadline that only guards against a hang. */
const HANG_TIMEOUT_SECONDS = 60;

/** A failed expectation. */
class ExpectationFailed extends Exception
{
}

function assert_equal(string $what, mixed $actual, mixed $expected): void
{
    if ($actual !== $expected) {
        throw new ExpectationFailed("$what: expected " . json_encode($expected) . ', got ' . json_encode($actual));
    }
}

/** Returns the number of messages that all queues of the broker hold. */
function queued_messages(int $http_port): int
{
    $metrics = file_get_contents("http://127.0.0.1:$http_port/metrics");
    assert_equal('/metrics has stompbox_queue_messages', preg_match('/^stompbox_queue_messages (\d+)$/m', $metrics, $found), 1);
    return (int) $found[1];
}

/** A client without a library. It writes frames as text to a socket. */
class EchoingClient
{
    private $socket;

    public function __construct(int $port, private string $version)
    {
        $this->socket = stream_socket_client("tcp://127.0.0.1:$port", $code, $error, HANG_TIMEOUT_SECONDS);
        if (!$this->socket) {
            throw new ExpectationFailed("expected a connection, got $error");
        }
        stream_set_timeout($this->socket, HANG_TIMEOUT_SECONDS);
        $this->write('CONNECT', ['accept-version' => $version, 'host' => 'localhost']);
        assert_equal('version', $this->read('CONNECTED')['headers']['version'], $version);
    }

    public function write(string $command, array $headers, string $body = ''): void
    {
        $lines = array_map(fn ($name) => "$name:{$headers[$name]}\n", array_keys($headers));
        fwrite($this->socket, $command . "\n" . implode('', $lines) . "\n" . $body . "\0\n");
    }

    /** Reads the next frame, which must have this command. No body in this script contains a NUL. */
    public function read(string $command): array
    {
        $text = stream_get_line($this->socket, 1 << 20, "\0");
        if ($text === false) {
            throw new ExpectationFailed("expected $command, got the end of the connection");
        }
        [$head, $body] = explode("\n\n", ltrim($text, "\n"), 2);
        $lines = explode("\n", $head);
        assert_equal("the frame $head", array_shift($lines), $command);
        $headers = [];
        foreach ($lines as $line) {
            [$name, $value] = explode(':', $line, 2);
            $headers[$name] = $value;
        }
        return ['headers' => $headers, 'body' => $body];
    }

    /** Sends ACK or NACK with every header of the message, and in STOMP 1.2 also with the header `id`. */
    public function settle(string $command, array $message): void
    {
        $headers = $message['headers'];
        if ($this->version === '1.2') {
            $headers['id'] = $headers['ack'];
        }
        assert_equal('the message has content-length', isset($headers['content-length']), true);
        $this->write($command, [...$headers, 'receipt' => $command]);
        assert_equal('receipt-id', $this->read('RECEIPT')['headers']['receipt-id'], $command);
    }
}

/**
 * Returns a step that sends and receives messages, rejects each with NACK if the version has it, acknowledges it, and
 * checks that the queue is empty.
 */
function echo_step(string $version): Closure
{
    return function (int $tcp_port, int $http_port) use ($version): void {
        $client = new EchoingClient($tcp_port, $version);
        $queue = "/queue/echo.$version";
        $subscribe = ['id' => '1', 'destination' => $queue, 'ack' => 'client-individual', 'receipt' => 'subscribed'];
        $client->write('SUBSCRIBE', $subscribe);
        $client->read('RECEIPT');
        foreach (['one', 'two'] as $body) {
            $client->write('SEND', ['destination' => $queue, 'content-length' => strlen($body)], $body);
            $message = $client->read('MESSAGE');
            assert_equal('body', $message['body'], $body);
            if ($version !== '1.0') {
                $client->settle('NACK', $message);
                $message = $client->read('MESSAGE');
                assert_equal('body after NACK', $message['body'], $body);
            }
            $client->settle('ACK', $message);
            assert_equal('messages in the queue after ACK', queued_messages($http_port), 0);
        }
        $client->write('DISCONNECT', ['receipt' => 'bye']);
        $client->read('RECEIPT');
    };
}

/**
 * Returns a step that does the same with the PECL extension, but without NACK. Its `ack()` supports STOMP 1.0 and 1.1.
 */
function pecl_step(array $connect): Closure
{
    return function (int $tcp_port, int $http_port) use ($connect): void {
        $client = new Stomp("tcp://127.0.0.1:$tcp_port", '', '', $connect);
        $client->setReadTimeout(HANG_TIMEOUT_SECONDS);
        $queue = '/queue/pecl';
        $subscribe = ['id' => '1', 'ack' => 'client-individual', 'receipt' => 'subscribed'];
        assert_equal('subscribe', $client->subscribe($queue, $subscribe), true);
        foreach (['one', 'two'] as $body) {
            assert_equal('send', $client->send($queue, $body, ['receipt' => "sent $body"]), true);
            $message = $client->readFrame();
            assert_equal('a frame', $message !== false, true);
            assert_equal('command and body', [$message->command, $message->body], ['MESSAGE', $body]);
            assert_equal('ack', $client->ack($message, ['receipt' => "acknowledged $body"]), true);
            assert_equal('an error after ack', $client->error(), false);
            assert_equal('messages in the queue after ACK', queued_messages($http_port), 0);
        }
    };
}

$steps = [
    'all headers echoed in 1.0' => echo_step('1.0'),
    'all headers echoed in 1.1' => echo_step('1.1'),
    'all headers echoed in 1.2' => echo_step('1.2'),
    'PECL stomp in 1.0' => pecl_step([]),
    'PECL stomp in 1.1' => pecl_step(['accept-version' => '1.1', 'host' => 'localhost']),
];
foreach ($steps as $step => $act) {
    try {
        $act((int) $argv[1], (int) $argv[2]);
        echo "ok PHP: $step\n";
    } catch (Throwable $error) {
        echo "FAILED PHP: $step: {$error->getMessage()}\n";
        exit(1);
    }
}
