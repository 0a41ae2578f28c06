package org.finetune4j.dist.communicator.watchdog;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/** A connection that carries short lines of text both ways. */
public final class LineConnection implements AutoCloseable {

    private static final int LONGEST = 1 << 16;

    private final Socket socket;
    private final InputStream input;

    /**
     * Takes a connection over.
     *
     * @param socket connected; closed with this
     * @throws IOException when it is gone
     */
    public LineConnection(Socket socket) throws IOException {
        this.socket = socket;
        socket.setTcpNoDelay(true);
        this.input = new BufferedInputStream(socket.getInputStream());
    }

    /**
     * Sends a line; several threads may.
     *
     * @param line its line ends become spaces
     * @throws IOException when the connection is gone
     */
    public synchronized void send(String line) throws IOException {
        String one = line.replace('\n', ' ').replace('\r', ' ');
        socket.getOutputStream().write((one + "\n").getBytes(StandardCharsets.UTF_8));
    }

    /**
     * Waits for a line.
     *
     * @param milliseconds how long, 0 for ever
     * @return the line, or null when the other side has closed the connection
     * @throws IOException when none came in time, or the connection is gone
     */
    public @Nullable String receive(int milliseconds) throws IOException {
        socket.setSoTimeout(milliseconds);
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        while (true) {
            int next = input.read();
            if (next == '\n') {
                return line.toString(StandardCharsets.UTF_8);
            }
            if (next < 0) {
                return null;
            }
            line.write(next);
            if (line.size() > LONGEST) {
                throw new IOException("a line of more than " + LONGEST + " bytes");
            }
        }
    }

    @Override
    public void close() {
        try {
            socket.close();
        } catch (IOException e) {
            // It is gone either way.
        }
    }
}
