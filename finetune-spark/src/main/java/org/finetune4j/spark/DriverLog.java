package org.finetune4j.spark;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import org.apache.spark.SparkConf;
import org.finetune4j.dist.communicator.watchdog.LineConnection;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Writes into the driver's log what the tasks of a stage send. */
final class DriverLog implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(SparkTraining.class);

    private final ServerSocket server;
    private final String host;
    private final String secret = Secrets.next();

    /** Listens where the driver is known to its executors. */
    DriverLog(SparkConf conf) throws IOException {
        this.host =
                conf.get("spark.driver.host", InetAddress.getLoopbackAddress().getHostAddress());
        this.server = new ServerSocket(0, 0, InetAddress.getByName(conf.get("spark.driver.bindAddress", host)));
        daemon(this::accept);
    }

    /** {@return where tasks reach it, with what they say first} */
    Peer address() {
        return new Peer(host, server.getLocalPort(), secret);
    }

    private void accept() {
        while (!server.isClosed()) {
            try {
                Socket socket = server.accept();
                daemon(() -> write(socket));
            } catch (IOException e) {
                // Closed, or whoever wanted to connect has gone.
            }
        }
    }

    private void write(Socket socket) {
        try (LineConnection connection = new LineConnection(socket)) {
            if (Secrets.isSame(secret, connection.receive(Peer.PATIENCE))) {
                for (String line = connection.receive(0); line != null; line = connection.receive(0)) {
                    LOG.info("{}", line);
                }
            }
        } catch (IOException e) {
            // The task is gone; Spark says why.
        }
    }

    private static void daemon(Runnable work) {
        Thread thread = new Thread(work, "finetune4j-driver-log");
        thread.setDaemon(true);
        thread.start();
    }

    @Override
    public void close() throws IOException {
        server.close();
    }
}
