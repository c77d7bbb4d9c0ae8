package org.awaitility;

import java.util.concurrent.Callable;
import org.hamcrest.Matcher;
import org.hamcrest.StringDescription;

/** What the tests use of Awaitility, which Debian has no package of: ask until the answer fits. */
public final class Awaitility {
    private static final long PAUSE_MILLIS = 10;

    private final long nanosMax;

    private Awaitility(long nanosMax) {
        this.nanosMax = nanosMax;
    }

    public static Awaitility waitAtMost(Duration most) {
        return new Awaitility(most.nanos);
    }

    /** Fails with the last answer when none fits in time. */
    public <T> void until(Callable<T> ask, Matcher<? super T> wanted) {
        long from = System.nanoTime();
        try {
            T answer = ask.call();
            while (!wanted.matches(answer)) {
                if (System.nanoTime() - from > nanosMax) {
                    throw new AssertionError(
                        "expected " + StringDescription.toString(wanted) + ", got " + answer);
                }
                Thread.sleep(PAUSE_MILLIS);
                answer = ask.call();
            }
        } catch (Exception error) {
            throw new AssertionError(error);
        }
    }
}
