package org.finetune4j.serve;

import com.google.common.net.InetAddresses;
import java.util.List;
import java.util.Locale;

/** Names that nobody can have lead elsewhere today and here tomorrow: addresses, and names that no public server answers for. */
final class LocalNames {

    /** Reserved by RFC 6761, RFC 6762, RFC 8375 and ICANN's resolution of July 2024. */
    private static final List<String> RESERVED = List.of(".localhost", ".local", ".internal", ".home.arpa", ".test");

    private LocalNames() {}

    /**
     * Whether a name is one of these.
     *
     * @param name of a request's host, without its port
     */
    static boolean contains(String name) {
        String plain = name.toLowerCase(Locale.ROOT);
        boolean isAddress = InetAddresses.isInetAddress(plain.replaceFirst("^\\[(.*)]$", "$1"));
        return isAddress || !plain.contains(".") || RESERVED.stream().anyMatch(plain::endsWith);
    }
}
