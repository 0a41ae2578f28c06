// A CUDA driver without a GPU: the functions of libcuda.so.1 that Finetune4j calls. Its device memory is the host's, and it
// runs the kernels of kernels.cu, compiled for the host. It is stricter than a real driver: every thread of a block must
// reach every barrier, and calls without a context fail.
#include "shim.h"

#include <cstdint>
#include <cstdlib>
#include <functional>
#include <map>
#include <sstream>
#include <string>
#include <ucontext.h>
#include <utility>
#include <vector>

Index threadIdx, blockIdx, blockDim, gridDim;

#include "kernels.cu"

namespace {

// ---- threads of a block ----

constexpr size_t STACK = 64 * 1024;

struct Fibre {
    ucontext_t context;
    std::vector<char> stack = std::vector<char>(STACK);
    bool finished = false;
};

ucontext_t scheduler;
std::vector<Fibre> fibres;
size_t current;
std::function<void()> body;

void runBody() {
    body();
    fibres[current].finished = true;
    swapcontext(&fibres[current].context, &scheduler);
}

// False when some threads of the block ended and others wait at a barrier.
bool runBlock(unsigned int threads, bool backwards) {
    if (fibres.size() < threads) {
        fibres.resize(threads);
    }
    for (unsigned int t = 0; t < threads; t++) {
        Fibre& fibre = fibres[t];
        fibre.finished = false;
        getcontext(&fibre.context);
        fibre.context.uc_stack.ss_sp = fibre.stack.data();
        fibre.context.uc_stack.ss_size = STACK;
        fibre.context.uc_link = nullptr;
        makecontext(&fibre.context, runBody, 0);
    }
    unsigned int finished = 0;
    while (finished < threads) {
        finished = 0;
        for (unsigned int i = 0; i < threads; i++) {
            current = backwards ? threads - 1 - i : i;
            threadIdx = {(unsigned int)current, 0, 0};
            swapcontext(&scheduler, &fibres[current].context);
            finished += fibres[current].finished;
        }
        if (finished != 0 && finished != threads) {
            return false;
        }
    }
    return true;
}

// ---- kernels by name ----

using Kernel = std::function<void(void**)>;

template <typename... A, size_t... I>
void callWith(void (*kernel)(A...), void** arguments, std::index_sequence<I...>) {
    kernel(*static_cast<A*>(arguments[I])...);
}

template <typename... A>
Kernel wrap(void (*kernel)(A...)) {
    return [kernel](void** arguments) { callWith(kernel, arguments, std::index_sequence_for<A...>()); };
}

std::map<std::string, Kernel>& kernels() {
    static std::map<std::string, Kernel> all = {
#define ENTRY(NAME) {#NAME, wrap(NAME)},
#include "entries.inc"
    };
    return all;
}

bool initialised;
std::vector<void*> contexts;
std::map<void*, size_t> managed;
std::ostringstream journal;
std::string shown;
int context = 7;
int module = 8;
size_t launches;

} // namespace

void __syncthreads() { swapcontext(&fibres[current].context, &scheduler); }

// ---- the driver's functions ----

extern "C" {

int cuInit(unsigned int) {
    initialised = true;
    return 0;
}

int cuDriverGetVersion(int* version) {
    *version = 12090;
    return 0;
}

// NVRTC asks a driver that it finds in its process.
int cuGetExportTable(const void**, const void*) { return 999; }

int cuDeviceGetCount(int* count) {
    *count = 1;
    return initialised ? 0 : 3;
}

int cuDeviceGet(int* device, int ordinal) {
    *device = ordinal;
    return !initialised ? 3 : ordinal == 0 ? 0 : 101;
}

int cuDeviceGetAttribute(int* value, int attribute, int) {
    *value = attribute == 75 ? 9 : attribute == 89 ? 1 : 0;
    return attribute == 75 || attribute == 76 || attribute == 89 ? 0 : 1;
}

int cuDevicePrimaryCtxRetain(void** result, int) {
    *result = &context;
    return 0;
}

int cuCtxPushCurrent_v2(void* pushed) {
    if (pushed != &context) {
        return 201;
    }
    contexts.push_back(pushed);
    return 0;
}

int cuCtxPopCurrent_v2(void** popped) {
    if (contexts.empty()) {
        return 201;
    }
    *popped = contexts.back();
    contexts.pop_back();
    return 0;
}

int cuModuleLoadData(void** result, const void* image) {
    if (contexts.empty()) {
        return 201;
    }
    *result = &module;
    return std::strncmp((const char*)image, "host kernels", 12) == 0 ? 0 : 200;
}

int cuModuleGetFunction(void** function, void* loaded, const char* name) {
    auto found = kernels().find(name);
    if (loaded != &module || found == kernels().end()) {
        return 500;
    }
    *function = &found->second;
    return 0;
}

int cuLaunchKernel(void* function, unsigned int gridX, unsigned int, unsigned int, unsigned int blockX, unsigned int,
        unsigned int, unsigned int, void* stream, void** arguments, void**) {
    if (contexts.empty()) {
        return 201;
    }
    if (gridX == 0 || blockX == 0 || blockX > 1024 || stream != nullptr) {
        return 1;
    }
    body = [&] { (*static_cast<Kernel*>(function))(arguments); };
    gridDim = {gridX, 1, 1};
    blockDim = {blockX, 1, 1};
    bool backwards = launches++ % 2 == 1; // the order of threads must make no difference
    for (unsigned int block = 0; block < gridX; block++) {
        blockIdx = {block, 0, 0};
        if (!runBlock(blockX, backwards)) {
            return 719;
        }
    }
    return 0;
}

int cuMemAllocManaged(unsigned long long* address, size_t bytes, unsigned int flags) {
    if (contexts.empty() || flags != 1) {
        return 201;
    }
    void* memory = std::malloc(bytes);
    managed[memory] = bytes;
    *address = (unsigned long long)(uintptr_t)memory;
    journal << "allocate " << bytes << "\n";
    return 0;
}

int cuMemFree_v2(unsigned long long address) {
    void* memory = (void*)(uintptr_t)address;
    if (contexts.empty() || managed.erase(memory) == 0) {
        return 1;
    }
    std::free(memory);
    journal << "free\n";
    return 0;
}

int cuMemPrefetchAsync(unsigned long long address, size_t bytes, int device, void*) {
    if (contexts.empty() || managed.count((void*)(uintptr_t)address) == 0) {
        return 1;
    }
    journal << "prefetch " << bytes << " to " << device << "\n";
    return 0;
}

int cuMemGetInfo_v2(size_t* free, size_t* total) {
    *free = 1000000;
    *total = 2000000;
    return contexts.empty() ? 201 : 0;
}

int cuStreamSynchronize(void*) { return contexts.empty() ? 201 : 0; }

int cuGetErrorName(int error, const char** name) {
    *name = error == 201 ? "CUDA_ERROR_INVALID_CONTEXT" : error == 719 ? "CUDA_ERROR_LAUNCH_FAILED" : "CUDA_ERROR";
    return 0;
}

// ---- for the tests ----

int hostContexts() { return (int)contexts.size(); }

// What happened since the last call.
const char* hostJournal() {
    shown = journal.str();
    journal.str("");
    return shown.c_str();
}
}
