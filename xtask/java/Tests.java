import java.io.PrintStream;
import java.time.Duration;
import org.junit.runner.Description;
import org.junit.runner.JUnitCore;
import org.junit.runner.notification.Failure;
import org.junit.runner.notification.RunListener;

/**
 * Runs the JUnit classes that its arguments name and writes a line for each test that ended, such as
 * {@code TEST pass com.example.Some.test}: the outcome is one of pass, fail and skip.
 */
public final class Tests extends RunListener {
    /** A test that takes longer is interrupted, which fails it. */
    private static final Duration LIMIT = Duration.ofSeconds(150);

    private final PrintStream out = System.out;
    private final Thread runner = Thread.currentThread();
    private String outcome;
    private long begun;
    private boolean running;

    public static void main(String[] names) throws Exception {
        Class<?>[] classes = new Class<?>[names.length];
        for (int i = 0; i < names.length; i++) {
            classes[i] = Class.forName(names[i]);
        }
        Tests tests = new Tests();
        Thread watcher = new Thread(tests::watch, "watcher");
        watcher.setDaemon(true);
        watcher.start();
        JUnitCore core = new JUnitCore();
        core.addListener(tests);
        core.run(classes);
        // Threads that a failed test left behind do not keep the process up.
        System.exit(0);
    }

    private void watch() {
        try {
            while (true) {
                Thread.sleep(1000);
                if (overdue()) {
                    out.println("interrupted after " + LIMIT.toSeconds() + " s");
                    runner.interrupt();
                }
            }
        } catch (InterruptedException ended) {
            Thread.currentThread().interrupt();
        }
    }

    private synchronized boolean overdue() {
        long limit = LIMIT.toNanos();
        boolean overdue = running && System.nanoTime() - begun > limit;
        if (overdue) {
            // Another limit for what the test does in its end.
            begun += limit;
        }
        return overdue;
    }

    @Override
    public synchronized void testStarted(Description test) {
        outcome = "pass";
        begun = System.nanoTime();
        running = true;
    }

    @Override
    public synchronized void testFailure(Failure failure) {
        outcome = "fail";
        out.println("FAILURE " + name(failure.getDescription()));
        out.println(failure.getTrace());
        if (!running) {
            ended(failure.getDescription(), outcome);
        }
    }

    @Override
    public synchronized void testAssumptionFailure(Failure failure) {
        outcome = "skip";
        if (!running) {
            ended(failure.getDescription(), outcome);
        }
    }

    @Override
    public synchronized void testIgnored(Description test) {
        ended(test, "skip");
    }

    @Override
    public synchronized void testFinished(Description test) {
        running = false;
        out.printf("%d ms%n", (System.nanoTime() - begun) / 1_000_000);
        ended(test, outcome);
    }

    private void ended(Description test, String outcome) {
        out.println("TEST " + outcome + " " + name(test));
    }

    /** Without the packages that all of them share; a class whose set-up failed has no method. */
    private static String name(Description test) {
        String method = test.getMethodName();
        String type = test.getClassName().replaceFirst("^com\\.rabbitmq\\.client\\.", "");
        return method == null ? type : type + "." + method;
    }
}
