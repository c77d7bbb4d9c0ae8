"""Celery with countdowns on quorum queues: the broker waits, by celery's 28 levels of queues."""

import subprocess
import sys
import time

import pika
import pytest
from celery.exceptions import TimeoutError
from kombu.transport.native_delayed_delivery import (
    CELERY_DELAYED_DELIVERY_EXCHANGE, MAX_LEVEL, level_name)

from delayed_app import app, arrived, third_time

# A busy machine may be late; none may be early. Celery itself counts in whole seconds.
LATE_SECONDS = 2.5


@pytest.fixture(scope="module", autouse=True)
def worker():
    command = [sys.executable, "-m", "celery", "-A", "delayed_app", "worker", "-c", "2", "-l", "INFO"]
    process = subprocess.Popen(command)
    try:
        until = time.monotonic() + 60
        while not app.control.ping(timeout=1):
            assert process.poll() is None, "the worker ended"
            assert time.monotonic() < until, "the worker does not answer"
        yield process
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def channel():
    connection = pika.BlockingConnection(pika.ConnectionParameters("localhost"))
    yield connection.channel()
    connection.close()


def check(result, wanted):
    took = result.get(timeout=wanted + 20)
    assert wanted - 0.05 <= took <= wanted + LATE_SECONDS


def test_a_task_without_countdown_runs_at_once():
    check(arrived.delay(time.time()), 0)


@pytest.mark.parametrize("countdown", [1, 2, 3, 5])
def test_a_countdown_ends_in_time(countdown):
    check(arrived.apply_async((time.time(),), countdown=countdown), countdown)


def test_countdowns_run_beside_each_other():
    results = [(arrived.apply_async((time.time(),), countdown=1 + n % 3), 1 + n % 3) for n in range(60)]
    for result, wanted in results:
        check(result, wanted)


def test_a_retry_waits_as_well():
    check(third_time.delay(time.time()), 2)


def test_nothing_is_kept_in_the_worker_while_it_waits():
    result = arrived.apply_async((time.time(),), countdown=3)
    held = app.control.inspect(timeout=1).scheduled()
    assert held and not any(held.values())
    check(result, 3)


def test_each_level_waits_in_a_quorum_queue(channel):
    for level in range(MAX_LEVEL + 1):
        after = level_name(level - 1) if level else CELERY_DELAYED_DELIVERY_EXCHANGE
        # The same arguments again: a queue that differs is refused.
        channel.queue_declare(level_name(level), durable=True, arguments={
            "x-queue-type": "quorum",
            "x-overflow": "reject-publish",
            "x-message-ttl": 2 ** level * 1000,
            "x-dead-letter-exchange": after,
            "x-dead-letter-strategy": "at-least-once",
        })
        channel.exchange_declare(level_name(level), "topic", durable=True)
    channel.exchange_declare(CELERY_DELAYED_DELIVERY_EXCHANGE, "topic", durable=True)


def test_the_longest_delay_waits_at_the_top():
    result = arrived.apply_async((time.time(),), countdown=2 ** (MAX_LEVEL + 1) - 1)
    with pytest.raises(TimeoutError):
        result.get(timeout=2)
    connection = pika.BlockingConnection(pika.ConnectionParameters("localhost"))
    channel = connection.channel()
    got, _, body = channel.basic_get(level_name(MAX_LEVEL), auto_ack=True)
    assert got is not None and got.message_count == 0 and body
    connection.close()
