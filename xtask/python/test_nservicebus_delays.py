"""The delay levels of NServiceBus: 28 topic exchanges and queues, of which level n waits 2^n s.

A delay is the first 28 words of a routing key, one bit each; the last word is who gets the message.
Version 2 has quorum queues that dead-letter at least once, version 1 had lazy classic queues.
"""

import time

import pika
import pytest

LEVELS = 28


class Infrastructure:
    def __init__(self, prefix, arguments):
        self.prefix = prefix
        self.arguments = arguments
        self.delivery = f"{prefix}delay-delivery"

    def level(self, level):
        return f"{self.prefix}delay-level-{level:02}"

    def build(self, channel):
        key = "1.#"
        for level in reversed(range(LEVELS)):
            name = self.level(level)
            channel.exchange_declare(name, "topic", durable=True)
            channel.queue_declare(name, durable=True, arguments={
                **self.arguments,
                "x-message-ttl": 2 ** level * 1000,
                "x-dead-letter-exchange": self.level(level - 1) if level else self.delivery,
            })
            channel.queue_bind(name, name, key)
            key = "*." + key
        key = "0.#"
        for level in reversed(range(1, LEVELS)):
            channel.exchange_bind(self.level(level - 1), self.level(level), key)
            key = "*." + key
        channel.exchange_declare(self.delivery, "topic", durable=True)
        channel.exchange_bind(self.delivery, self.level(0), key)

    def endpoint(self, channel, address, arguments):
        """An endpoint: an exchange that its queue hangs on, and that the delays end in."""
        channel.exchange_declare(address, "fanout", durable=True)
        channel.queue_declare(address, durable=True, arguments=arguments)
        channel.queue_bind(address, address, "")
        channel.exchange_bind(address, self.delivery, f"#.{address}")

    def send(self, channel, address, delay, body):
        """Into the level of the delay's highest bit, or the lowest when there is none."""
        first = max(delay.bit_length() - 1, 0)
        key = ".".join(f"{delay:0{LEVELS}b}") + f".{address}"
        properties = pika.BasicProperties(delivery_mode=2, headers={
            "NServiceBus.Transport.RabbitMQ.DelayInSeconds": delay})
        channel.basic_publish(self.level(first), key, body, properties, mandatory=True)


INFRASTRUCTURES = {
    "quorum": Infrastructure("nsb.v2.", {
        "x-queue-type": "quorum",
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }),
    "classic": Infrastructure("nsb.", {"x-queue-mode": "lazy"}),
}

# A busy machine may be late, and each hop adds its own; none may be early.
LATE_SECONDS = 1.5


@pytest.fixture
def channel():
    connection = pika.BlockingConnection(pika.ConnectionParameters("localhost"))
    channel = connection.channel()
    channel.confirm_delivery()
    yield channel
    connection.close()


@pytest.fixture(params=list(INFRASTRUCTURES))
def delays(request, channel):
    infrastructure = INFRASTRUCTURES[request.param]
    infrastructure.build(channel)
    infrastructure.endpoint(channel, f"endpoint-{request.param}", {"x-queue-type": request.param})
    return infrastructure, f"endpoint-{request.param}"


def received(channel, address, count):
    """Body, properties and arrival of the next messages."""
    messages = []
    for method, properties, body in channel.consume(address, inactivity_timeout=20):
        assert method is not None, f"only {len(messages)} of {count} came"
        channel.basic_ack(method.delivery_tag)
        messages.append((body, properties, time.time()))
        if len(messages) == count:
            break
    channel.cancel()
    return messages


def test_it_can_be_declared_again(channel, delays):
    infrastructure, address = delays
    infrastructure.build(channel)
    infrastructure.endpoint(channel, address, {"x-queue-type": address.split("-")[1]})


def test_other_arguments_are_refused(channel, delays):
    infrastructure, _ = delays
    with pytest.raises(pika.exceptions.ChannelClosedByBroker) as refused:
        channel.queue_declare(infrastructure.level(0), durable=True, arguments={
            **infrastructure.arguments,
            "x-message-ttl": 1001,
            "x-dead-letter-exchange": infrastructure.delivery,
        })
    assert refused.value.reply_code == 406
    assert "x-message-ttl" in refused.value.reply_text


def test_no_delay_arrives_at_once(channel, delays):
    infrastructure, address = delays
    sent = time.time()
    infrastructure.send(channel, address, 0, b"now")
    [(body, properties, arrived)] = received(channel, address, 1)
    assert body == b"now" and arrived - sent < LATE_SECONDS
    assert "x-death" not in properties.headers


def test_delays_end_in_time(channel, delays):
    infrastructure, address = delays
    wanted = {}
    for delay in (5, 3, 1, 2):
        wanted[b"%d" % delay] = (delay, time.time())
        infrastructure.send(channel, address, delay, b"%d" % delay)
    messages = received(channel, address, 4)
    assert [body for body, _, _ in messages] == [b"1", b"2", b"3", b"5"]
    for body, _, arrived in messages:
        delay, sent = wanted[body]
        assert delay - 0.05 <= arrived - sent <= delay + LATE_SECONDS


def test_the_way_is_written_in_x_death(channel, delays):
    infrastructure, address = delays
    infrastructure.send(channel, address, 3, b"hops")
    [(_, properties, _)] = received(channel, address, 1)
    hops = [(death["queue"], death["reason"], death["count"]) for death in properties.headers["x-death"]]
    assert hops == [(infrastructure.level(0), "expired", 1), (infrastructure.level(1), "expired", 1)]
    assert properties.headers["NServiceBus.Transport.RabbitMQ.DelayInSeconds"] == 3
    assert properties.headers["x-first-death-queue"] == infrastructure.level(1)


def test_many_wait_at_once(channel, delays):
    infrastructure, address = delays
    wanted = {}
    for n in range(200):
        delay = 1 + n % 3
        wanted[b"%d" % n] = (delay, time.time())
        infrastructure.send(channel, address, delay, b"%d" % n)
    messages = received(channel, address, 200)
    assert {body for body, _, _ in messages} == set(wanted)
    for body, _, arrived in messages:
        delay, sent = wanted[body]
        assert delay - 0.05 <= arrived - sent <= delay + LATE_SECONDS


def test_the_longest_delay_waits_at_the_top(channel, delays):
    infrastructure, address = delays
    infrastructure.send(channel, address, 2 ** LEVELS - 1, b"8.5 years")
    method, _, body = channel.basic_get(infrastructure.level(LEVELS - 1), auto_ack=True)
    assert method is not None and body == b"8.5 years"


def test_an_endpoint_that_is_unknown_makes_no_noise(channel, delays):
    infrastructure, _ = delays
    infrastructure.send(channel, "nobody", 1, b"lost")
    time.sleep(1.5)
    again = channel.queue_declare(infrastructure.level(0), passive=True)
    assert again.method.message_count == 0
