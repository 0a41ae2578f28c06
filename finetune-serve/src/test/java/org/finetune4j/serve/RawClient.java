package org.finetune4j.serve;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.net.SocketException;
import java.nio.charset.StandardCharsets;

/** A connection on which anything can be sent. */
final class RawClient implements AutoCloseable {

    private static final int TIMEOUT_MILLIS = 30_000;

    private final Socket socket;

    RawClient(ModelServer server) throws IOException {
        socket = new Socket("127.0.0.1", server.port());
        socket.setSoTimeout(TIMEOUT_MILLIS);
    }

    RawClient send(byte[] bytes) throws IOException {
        try {
            socket.getOutputStream().write(bytes);
            socket.getOutputStream().flush();
        } catch (SocketException e) {
            // the server has answered already, and closed
        }
        return this;
    }

    RawClient send(String text) throws IOException {
        return send(text.getBytes(StandardCharsets.UTF_8));
    }

    RawClient finishSending() throws IOException {
        socket.shutdownOutput();
        return this;
    }

    /** Reads until the other side closes, or there is as much as the answer says. */
    String answer() throws IOException {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        InputStream in = socket.getInputStream();
        byte[] buffer = new byte[8192];
        try {
            for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
                all.write(buffer, 0, read);
                String text = all.toString(StandardCharsets.UTF_8);
                int head = text.indexOf("\r\n\r\n");
                int length = text.indexOf("Content-Length: ");
                if (head >= 0 && length >= 0 && length < head) {
                    int end = text.indexOf("\r\n", length);
                    int wanted = Integer.parseInt(text.substring(length + "Content-Length: ".length(), end));
                    if (text.substring(head + 4).getBytes(StandardCharsets.UTF_8).length >= wanted) {
                        break;
                    }
                }
            }
        } catch (SocketException e) {
            // closed with what it had sent
        }
        return all.toString(StandardCharsets.UTF_8);
    }

    static String post(String path, String headers, int length) {
        return "POST " + path + " HTTP/1.1\r\nHost: localhost\r\n" + headers + "Content-Length: " + length + "\r\n\r\n";
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
