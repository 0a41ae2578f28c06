package org.finetune4j.serve;

import jakarta.servlet.http.HttpServletRequest;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.eclipse.jetty.ee10.servlet.ServletContextRequest;
import org.eclipse.jetty.http.HttpFields;
import org.eclipse.jetty.http.HttpVersion;
import org.eclipse.jetty.io.EndPoint;

/**
 * Finds out whether a client that waits for its answer has gone away. Nobody reads from its connection meanwhile, so the end of
 * its input is looked for; a client may have closed only that half, and is sent interim responses, which whoever is gone
 * rejects.
 */
final class ClientWatch {

    private static final int PROCESSING = 102;

    private final ServletContextRequest request;
    private final EndPoint endPoint;
    private final boolean watched;
    private boolean halfClosed;
    private boolean lostInput;

    ClientWatch(HttpServletRequest servletRequest) {
        this.request = ServletContextRequest.getServletContextRequest(servletRequest);
        this.endPoint = request.getConnectionMetaData().getConnection().getEndPoint();
        this.watched = request.getConnectionMetaData().getHttpVersion() == HttpVersion.HTTP_1_1;
    }

    /** Whether nobody waits for the answer. To be asked now and then, before anything of the answer is sent. */
    boolean isGone() {
        if (!endPoint.isOpen()) {
            return true;
        }
        if (!watched || lostInput) {
            return false;
        }
        try {
            if (!halfClosed) {
                ByteBuffer one = ByteBuffer.allocate(1);
                one.limit(0); // as Jetty's buffers are when there is nothing in them
                int read = endPoint.fill(one);
                halfClosed = read < 0;
                lostInput = read > 0;
                return false;
            }
            request.getServletContextResponse()
                    .writeInterim(PROCESSING, HttpFields.EMPTY)
                    .get(1, TimeUnit.SECONDS);
            return !endPoint.isOpen();
        } catch (IOException | ExecutionException | TimeoutException | IllegalStateException e) {
            return true;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return true;
        }
    }

    /** Whether a request that was sent without waiting for this one's answer was hit: the connection must end with this one. */
    boolean hasLostInput() {
        return lostInput;
    }
}
