package org.finetune4j.dist.communicator.mpi;

import com.sun.jna.Memory;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.IntByReference;

/** An operation of Open MPI that goes on, with the memory that it reads meanwhile. */
final class MpiRequest {

    /** Makes MPI begin something. */
    interface Start {
        int begin(Pointer request);
    }

    private final OpenMpi mpi;
    private final String call;
    private final Memory handle = new Memory(Long.BYTES);
    private final IntByReference flag = new IntByReference();
    private final Object[] inUse;
    private boolean done;

    private MpiRequest(OpenMpi mpi, String call, Object[] inUse) {
        this.mpi = mpi;
        this.call = call;
        this.inUse = inUse;
    }

    /**
     * Begins an operation.
     *
     * @param call names it in messages
     * @param start what begins it
     * @param inUse what must not be freed before its end
     */
    static MpiRequest start(OpenMpi mpi, String call, Start start, Object... inUse) {
        MpiRequest request = new MpiRequest(mpi, call, inUse);
        mpi.check(call, start.begin(request.handle));
        return request;
    }

    /** Lets MPI go on, and says whether it has finished. */
    boolean test() {
        if (!done) {
            mpi.check(call, mpi.functions().MPI_Test(handle, flag, Pointer.NULL)); // no status is wanted
            done = flag.getValue() != 0;
        }
        return done;
    }

    @Override
    public String toString() {
        return call + " with " + inUse.length + " pieces of memory" + (done ? ", done" : "");
    }
}
