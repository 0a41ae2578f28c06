package org.finetune4j.spark;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import org.finetune4j.dist.communicator.watchdog.LineConnection;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Sends lines to the driver's log; to this executor's where the driver cannot be reached. */
final class ProgressStream extends OutputStream {

    private static final Logger LOG = LoggerFactory.getLogger(ProgressStream.class);
    private static final int LONGEST = 8192;

    private final ByteArrayOutputStream line = new ByteArrayOutputStream();
    private @Nullable LineConnection driver;

    private ProgressStream(@Nullable LineConnection driver) {
        this.driver = driver;
    }

    /** {@return a stream to whoever listens there} */
    static ProgressStream to(Peer driver) {
        try {
            return new ProgressStream(driver.connect());
        } catch (IOException e) {
            LOG.warn("the driver's log cannot be reached, what ranks say follows here: {}", e.getMessage());
            return new ProgressStream(null);
        }
    }

    @Override
    public synchronized void write(int value) {
        if (value != '\n' && line.size() < LONGEST) {
            line.write(value);
        } else {
            send(line.toString(StandardCharsets.UTF_8).stripTrailing());
            line.reset();
        }
    }

    private void send(String text) {
        if (driver != null) {
            try {
                driver.send(text);
                return;
            } catch (IOException e) {
                driver.close();
                driver = null;
            }
        }
        LOG.info("{}", text);
    }

    @Override
    public void close() {
        if (driver != null) {
            driver.close();
        }
    }
}
