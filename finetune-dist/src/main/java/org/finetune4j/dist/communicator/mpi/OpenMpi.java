package org.finetune4j.dist.communicator.mpi;

import com.sun.jna.Library;
import com.sun.jna.Memory;
import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.IntByReference;
import com.sun.jna.ptr.PointerByReference;
import java.util.Map;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.finetune4j.dist.communicator.CommunicationException;
import org.finetune4j.tensor.DType;

/**
 * Open MPI 4's library. Handles are addresses of its own variables; counts and displacements of operations that go on must stay where
 * they are until the end, so they are {@link Memory}.
 */
final class OpenMpi {

    private static final String NAME = "libmpi.so.40";
    private static final int LAZY_AND_GLOBAL = 0x101; // its plug-ins look for symbols of the library
    private static final int MULTIPLE_THREADS = 3;
    private static final int LONGEST_ERROR = 256;

    /** The functions, as mpi.h declares them. */
    interface Functions extends Library {
        int MPI_Init_thread(Pointer argc, Pointer argv, int required, IntByReference provided);

        int MPI_Finalize();

        int MPI_Comm_rank(Pointer comm, IntByReference rank);

        int MPI_Comm_size(Pointer comm, IntByReference size);

        int MPI_Comm_set_errhandler(Pointer comm, Pointer handler);

        int MPI_Comm_split(Pointer comm, int color, int key, PointerByReference made);

        int MPI_Comm_free(PointerByReference comm);

        int MPI_Error_string(int code, Memory text, IntByReference length);

        int MPI_Bcast(Pointer buffer, int count, Pointer type, int root, Pointer comm);

        int MPI_Ibcast(Pointer buffer, int count, Pointer type, int root, Pointer comm, Pointer request);

        int MPI_Iallgather(
                Pointer from,
                int fromCount,
                Pointer fromType,
                Pointer to,
                int toCount,
                Pointer toType,
                Pointer comm,
                Pointer request);

        int MPI_Iallgatherv(
                Pointer from,
                int fromCount,
                Pointer fromType,
                Pointer to,
                Memory toCounts,
                Memory toPlaces,
                Pointer toType,
                Pointer comm,
                Pointer request);

        int MPI_Ialltoallv(
                Pointer from,
                Memory fromCounts,
                Memory fromPlaces,
                Pointer fromType,
                Pointer to,
                Memory toCounts,
                Memory toPlaces,
                Pointer toType,
                Pointer comm,
                Pointer request);

        int MPI_Isend(Pointer buffer, int count, Pointer type, int destination, int tag, Pointer comm, Pointer request);

        int MPI_Irecv(Pointer buffer, int count, Pointer type, int source, int tag, Pointer comm, Pointer request);

        int MPI_Test(Pointer request, IntByReference isDone, Pointer status);
    }

    private final Functions functions;
    private final NativeLibrary library;

    private OpenMpi(Functions functions, NativeLibrary library) {
        this.functions = functions;
        this.library = library;
    }

    /**
     * Opens the library.
     *
     * @throws UserErrorException when it is not installed
     */
    static OpenMpi load() {
        Map<String, Object> options = Map.of(Library.OPTION_OPEN_FLAGS, LAZY_AND_GLOBAL);
        try {
            return new OpenMpi(Native.load(NAME, Functions.class, options), NativeLibrary.getInstance(NAME, options));
        } catch (UnsatisfiedLinkError e) {
            throw new UserErrorException(
                    "Open MPI is not installed: " + NAME
                            + " is not found; install the package openmpi-bin (version 4) on"
                            + " every host, or train with --local, where ranks are threads: " + Reasons.of(e),
                    e);
        }
    }

    /** Joins the other processes that mpirun started. */
    void initialize() {
        IntByReference provided = new IntByReference();
        check("MPI_Init_thread", functions.MPI_Init_thread(Pointer.NULL, Pointer.NULL, MULTIPLE_THREADS, provided));
        if (provided.getValue() < MULTIPLE_THREADS) {
            throw new UserErrorException("this build of Open MPI lets one thread communicate at a time, and"
                    + " MPI_THREAD_MULTIPLE is needed: install Debian's or Ubuntu's package openmpi-bin");
        }
        check(
                "MPI_Comm_set_errhandler",
                functions.MPI_Comm_set_errhandler(world(), variable("ompi_mpi_errors_return")));
    }

    Functions functions() {
        return functions;
    }

    Pointer world() {
        return variable("ompi_mpi_comm_world");
    }

    Pointer bytes() {
        return variable("ompi_mpi_byte");
    }

    /** What moves values of a type: MPI knows neither of the short floats, and need not. */
    Pointer type(DType dtype) {
        return switch (dtype.itemSize()) {
            case 8 -> variable("ompi_mpi_int64_t");
            case 4 -> variable("ompi_mpi_int32_t");
            case 2 -> variable("ompi_mpi_int16_t");
            default -> bytes();
        };
    }

    private Pointer variable(String name) {
        return library.getGlobalVariableAddress(name);
    }

    /** Throws unless a result is 0. */
    void check(String call, int result) {
        if (result != 0) {
            try (Memory text = new Memory(LONGEST_ERROR)) {
                text.clear();
                functions.MPI_Error_string(result, text, new IntByReference());
                throw new CommunicationException(call + " failed: " + text.getString(0));
            }
        }
    }
}
