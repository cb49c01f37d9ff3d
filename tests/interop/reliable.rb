# The gem `stomp` with the option `reliable`. The broker is stopped or killed, and started again. The client reconnects,
# subscribes again, and continues.
#
# Usage: ruby reliable.rb BROKER (the binary). Prints one line for each step. Exits with 1 after a failure.

require "net/http"
require "stomp"
require "tempfile"
require "timeout"

# A deadline that only guards against a hang.
HANG_TIMEOUT_SECONDS = 60

class ExpectationFailed < StandardError; end

def assert_equal(what, actual, expected)
  raise ExpectationFailed, "#{what}: expected #{expected.inspect}, got #{actual.inspect}" unless actual == expected
end

# Runs the block, and fails if it hangs.
def with_hang_timeout(what, &block)
  Timeout.timeout(HANG_TIMEOUT_SECONDS, ExpectationFailed, "expected #{what} within #{HANG_TIMEOUT_SECONDS} s", &block)
end

# A broker that keeps its ports when it is started again.
class Broker
  attr_reader :tcp, :http

  def initialize(binary)
    @binary = binary
    @tcp = @http = 0
    @log = Tempfile.new("stompbox-reliable")
    start
  end

  def start
    reader, writer = IO.pipe
    flags = ["--tcp", "127.0.0.1:#{@tcp}", "--http", "127.0.0.1:#{@http}"]
    @process = Process.spawn(@binary, *flags, in: :close, out: writer, err: [@log.path, "a"])
    writer.close
    urls = with_hang_timeout("a broker that listens") { Array.new(3) { reader.gets or raise ExpectationFailed, "the broker does not listen" } }
    @tcp = port_of(urls, "tcp")
    @http = port_of(urls, "http")
  end

  # Returns the exit code, or the signal that ended the process.
  def stop(signal)
    Process.kill(signal, @process)
    status = with_hang_timeout("the end of the broker") { Process.wait2(@process)[1] }
    @process = nil
    status.exitstatus || status.termsig
  end

  # Waits until a metric has this value.
  def until(name, value)
    with_hang_timeout("#{name} #{value}") do
      nil until Net::HTTP.get(URI("http://127.0.0.1:#{@http}/metrics")).match?(/^#{name} #{value}$/)
    end
  end

  def kill
    Process.kill("KILL", @process) if @process
  end

  def log
    File.read(@log.path).lines.last(20).join
  end

  private

  def port_of(urls, scheme)
    urls.filter_map { |url| url[%r{^listening #{scheme}://.*:(\d+)$}, 1] }.first.to_i
  end
end

# A worker that takes jobs from a queue and acknowledges them.
class Worker
  def initialize(broker, version, queue)
    @broker = broker
    @queue = queue
    @jobs = Queue.new
    headers = version == "1.0" ? {} : { "accept-version" => version, "host" => "localhost" }
    @client = Stomp::Client.new(
      hosts: [{ host: "127.0.0.1", port: broker.tcp, login: "", passcode: "" }],
      reliable: true, initial_reconnect_delay: 0.05, max_reconnect_delay: 0.2,
      connect_headers: headers,
    )
    @client.subscribe(queue, ack: "client-individual", id: "jobs") { |message| @jobs << message }
  end

  # Sends a job, receives it, and acknowledges it.
  def work(body)
    receipts = Queue.new
    @client.publish(@queue, body) { receipts << true }
    with_hang_timeout("the RECEIPT of #{body}") { receipts.pop }
    job = with_hang_timeout("the job #{body}") { @jobs.pop }
    assert_equal("body", job.body, body)
    @client.acknowledge(job) { receipts << true }
    with_hang_timeout("the RECEIPT of the ACK of #{body}") { receipts.pop }
    @broker.until("stompbox_queue_messages", 0)
  end

  def leave
    @client.close
  end
end

EXIT_CODES = { "TERM" => 0, "KILL" => Signal.list["KILL"] }.freeze
ROUNDS = 3

def check_reconnects(broker, version, signal)
  worker = Worker.new(broker, version, "/queue/#{version}.#{signal}")
  broker.until("stompbox_subscriptions", 1)
  worker.work("before")
  ROUNDS.times do |round|
    assert_equal("exit code after SIG#{signal}", broker.stop(signal), EXIT_CODES[signal])
    broker.start
    broker.until("stompbox_subscriptions", 1)
    worker.work("after restart #{round}")
  end
  worker.leave
  broker.until("stompbox_subscriptions", 0)
end

broker = Broker.new(ARGV.fetch(0))
at_exit { broker.kill }
# The gem reports each failed connection attempt to this stream.
$stderr = File.open(File::NULL, "w")
["1.0", "1.1", "1.2"].product(EXIT_CODES.keys).each do |version, signal|
  step = "ruby stomp #{Stomp::Version::STRING} in #{version}: reconnects after SIG#{signal}"
  begin
    check_reconnects(broker, version, signal)
    puts "ok #{step}"
  rescue StandardError => error
    puts "FAILED #{step}: #{error.class}: #{error.message}\n#{error.backtrace&.first(5)&.join("\n")}"
    puts "the broker's log:\n#{broker.log}"
    exit 1
  end
end
