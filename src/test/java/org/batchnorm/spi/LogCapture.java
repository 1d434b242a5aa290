package org.batchnorm.spi;

import java.util.ArrayList;
import java.util.List;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;

/** Takes what {@link Backends} logs while it is open. */
final class LogCapture extends Handler implements AutoCloseable {
    private final Logger logger = Logger.getLogger(Backends.class.getName());
    private final boolean handedOn = logger.getUseParentHandlers();
    private final List<String> messages = new ArrayList<>();

    LogCapture() {
        logger.setUseParentHandlers(false);
        logger.addHandler(this);
        logger.setLevel(Level.ALL);
    }

    /** Level and message of each record. */
    List<String> messages() {
        return List.copyOf(messages);
    }

    @Override
    public void publish(LogRecord message) {
        messages.add(message.getLevel() + " " + message.getMessage());
    }

    @Override
    public void flush() {}

    @Override
    public void close() {
        logger.removeHandler(this);
        logger.setUseParentHandlers(handedOn);
    }
}
