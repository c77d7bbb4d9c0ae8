package org.awaitility;

import java.util.concurrent.TimeUnit;

/** A length of time, as the one test class that waits by Awaitility spells it. */
public final class Duration {
    final long nanos;

    public Duration(long value, TimeUnit unit) {
        nanos = unit.toNanos(value);
    }
}
