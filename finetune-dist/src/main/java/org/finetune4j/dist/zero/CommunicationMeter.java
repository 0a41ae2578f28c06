package org.finetune4j.dist.zero;

import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.finetune4j.dist.communicator.CommunicationVolume;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.train.gradient.Average;

/**
 * How long this rank waits for others within its steps, and what it sends: from a step's first pass until its weights are new, without
 * what goes on between steps. Where it calculates while something is sent it does not wait.
 */
final class CommunicationMeter {

    private final Set<Communicator> groups = Collections.newSetFromMap(new IdentityHashMap<>());
    private boolean running;
    private long began;
    private CommunicationVolume before = new CommunicationVolume(0, 0, 0);
    private double seconds;
    private double waited;
    private long sent;

    /** Counts what goes through a group too. */
    void add(Communicator group) {
        groups.add(group);
    }

    /** A step's first pass is next. */
    void begin() {
        running = true;
        mark();
    }

    /** The step's weights are new. */
    void end() {
        if (running) {
            count();
            running = false;
        }
    }

    private void mark() {
        began = System.nanoTime();
        before = volume();
    }

    private void count() {
        CommunicationVolume now = volume();
        seconds += (System.nanoTime() - began) / 1e9;
        waited += now.secondsWaited() - before.secondsWaited();
        sent += now.bytesSent() - before.bytesSent();
        mark();
    }

    private CommunicationVolume volume() {
        CommunicationVolume all = new CommunicationVolume(0, 0, 0);
        for (Communicator group : groups) {
            CommunicationVolume own = group.volume();
            all = new CommunicationVolume(
                    all.operations() + own.operations(),
                    all.bytesSent() + own.bytesSent(),
                    all.secondsWaited() + own.secondsWaited());
        }
        return all;
    }

    /**
     * What has been counted since this was last called: the end of the step before, and this one's passes.
     *
     * @param formula bytes of a step that the stage's formula gives
     */
    Map<String, Average> take(double formula) {
        Map<String, Average> taken = new LinkedHashMap<>();
        if (running) {
            count();
            taken.put("communication/step_seconds", new Average(seconds, 1));
            taken.put("communication/seconds_waited", new Average(waited, 1));
            taken.put("communication/bytes_sent", new Average(sent, 1));
            taken.put("communication/bytes_formula", new Average(formula, 1));
            seconds = 0;
            waited = 0;
            sent = 0;
        }
        return taken;
    }
}
