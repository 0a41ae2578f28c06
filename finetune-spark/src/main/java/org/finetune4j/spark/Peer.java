package org.finetune4j.spark;

import java.io.IOException;
import java.io.Serializable;
import java.net.InetSocketAddress;
import java.net.Socket;
import org.finetune4j.dist.communicator.watchdog.LineConnection;

/**
 * Where another process of the application listens.
 *
 * @param host its name or address
 * @param port its port
 * @param secret what it wants to hear first
 */
record Peer(String host, int port, String secret) implements Serializable {

    /** How long one waits for the other's first word, in milliseconds. */
    static final int PATIENCE = 15_000;

    private static final long serialVersionUID = 1L;

    /** Connects, and says the secret. */
    LineConnection connect() throws IOException {
        Socket socket = new Socket();
        try {
            socket.connect(new InetSocketAddress(host, port), PATIENCE);
            LineConnection connection = new LineConnection(socket);
            connection.send(secret);
            return connection;
        } catch (IOException e) {
            socket.close();
            throw new IOException(host + ":" + port + ": " + e.getMessage(), e);
        }
    }
}
