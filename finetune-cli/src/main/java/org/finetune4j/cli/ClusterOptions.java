package org.finetune4j.cli;

import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.finetune4j.UserErrorException;
import org.finetune4j.dist.plan.Cluster;
import picocli.CommandLine.Option;

/** The options of commands that plan for devices. */
final class ClusterOptions {

    private static final double GIGA = 1e9;
    private static final double TERA = 1e12;
    private static final Pattern MEMORY =
            Pattern.compile("(\\d+(?:\\.\\d+)?)\\s*([KMGT]?)(i?)B?", Pattern.CASE_INSENSITIVE);

    @Option(names = "--devices", required = true, paramLabel = "N", description = "How many.")
    private int devices;

    @Option(names = "--memory", defaultValue = "80G", description = "Of one device (default: ${DEFAULT-VALUE}).")
    private String memory;

    @Option(names = "--devices-per-host", defaultValue = "8", description = "(default: ${DEFAULT-VALUE})")
    private int devicesPerHost;

    @Option(
            names = "--tflops",
            defaultValue = "200",
            description =
                    "What a device reaches in products, in 10^12 operations a second (default: ${DEFAULT-VALUE}).")
    private double tflops;

    @Option(
            names = "--host-bandwidth",
            defaultValue = "200",
            description = "GB that a device sends in a second within its host (default: ${DEFAULT-VALUE}).")
    private double hostBandwidth;

    @Option(
            names = "--network-bandwidth",
            defaultValue = "25",
            description = "GB that a device sends in a second to other hosts (default: ${DEFAULT-VALUE}).")
    private double networkBandwidth;

    /**
     * The devices.
     *
     * @throws UserErrorException when a number or size cannot be used
     */
    Cluster cluster() {
        return new Cluster(
                atLeastOne("--devices", devices),
                bytes(memory),
                atLeastOne("--devices-per-host", devicesPerHost),
                above("--tflops", tflops) * TERA,
                above("--host-bandwidth", hostBandwidth) * GIGA,
                above("--network-bandwidth", networkBandwidth) * GIGA);
    }

    static int atLeastOne(String option, int value) {
        if (value < 1 || value > 1 << 20) {
            throw new UserErrorException(option + " is " + value + ", expected 1 to " + (1 << 20));
        }
        return value;
    }

    private static double above(String option, double value) {
        if (!(value > 0 && value < 1e9)) {
            throw new UserErrorException(option + " is " + value + ", expected a number above 0");
        }
        return value;
    }

    /** 80G are 80 * 10^9 bytes, 80GiB are 80 * 2^30. */
    static long bytes(String text) {
        Matcher matcher = MEMORY.matcher(text.strip());
        if (!matcher.matches()) {
            throw new UserErrorException("--memory is '" + text + "', expected a size such as 80G or 80GiB");
        }
        int power = "KMGT".indexOf(matcher.group(2).toUpperCase(Locale.ROOT)) + 1;
        double unit = Math.pow(
                matcher.group(3).isEmpty() ? 1000 : 1024, matcher.group(2).isEmpty() ? 0 : power);
        double bytes = Double.parseDouble(matcher.group(1)) * unit;
        if (!(bytes >= 1 && bytes < 1e18)) {
            throw new UserErrorException("--memory is '" + text + "', expected a size such as 80G or 80GiB");
        }
        return (long) bytes;
    }
}
