// Codes to numbers: twin of FourBitKernels and of EightBitKernels.dequantize.

// As they are.
struct PlainScales {
    const float* absmax;
    __device__ float of(long long block) const { return absmax[block]; }
};

// In 8 bits themselves, in blocks of 256.
struct NestedScales {
    const unsigned char* codes;
    const float* absmax;
    const Book* book;
    float offset;
    __device__ float of(long long block) const { return book->values[codes[block]] * absmax[block >> 8] + offset; }
};

// Eight values that are written at once.
template <typename T>
struct alignas(16) Eight {
    T values[8];
};

// A thread turns 4 bytes into 8 values of one block at a time. A block has 1 << blockShift values, 8 at least.
template <typename T, typename Scales>
__device__ void dequantizeFourBit(
        const unsigned char* packed, Scales scales, const Book* book, int blockShift, long long count, T* destination) {
    __shared__ float numbers[16];
    if (threadIdx.x < 16) {
        numbers[threadIdx.x] = book->values[threadIdx.x];
    }
    __syncthreads();
    bool aligned = ((size_t)packed & 3) == 0 && ((size_t)destination & 15) == 0;
    long long groups = (count + 7) >> 3;
    long long step = (long long)gridDim.x * blockDim.x;
    for (long long group = (long long)blockIdx.x * blockDim.x + threadIdx.x; group < groups; group += step) {
        long long first = group << 3;
        float scale = scales.of(first >> blockShift);
        Eight<T> eight;
        if (aligned && first + 8 <= count) {
            unsigned int bytes = *(const unsigned int*)(packed + (first >> 1)); // the lowest one comes first
            for (int i = 0; i < 8; i += 2) {
                fromFloat(numbers[(bytes >> 4) & 15] * scale, eight.values[i]);
                fromFloat(numbers[bytes & 15] * scale, eight.values[i + 1]);
                bytes >>= 8;
            }
            *(Eight<T>*)(destination + first) = eight;
        } else {
            for (long long at = first; at < count && at < first + 8; at++) {
                unsigned int byte = packed[at >> 1];
                fromFloat(numbers[(at & 1) == 0 ? byte >> 4 : byte & 15] * scale, destination[at]);
            }
        }
    }
}

#define DEQUANTIZE_4BIT(SUFFIX, TYPE)                                                                                 \
    extern "C" __global__ void dequantize_4bit_##SUFFIX(const unsigned char* packed, const float* absmax,            \
            const Book* book, int blockShift, long long count, TYPE* destination) {                                  \
        PlainScales scales = {absmax};                                                                               \
        dequantizeFourBit<TYPE>(packed, scales, book, blockShift, count, destination);                               \
    }                                                                                                                \
    extern "C" __global__ void dequantize_4bit_nested_##SUFFIX(const unsigned char* packed,                          \
            const unsigned char* scaleCodes, const float* nestedAbsmax, const Book* scaleBook, float offset,         \
            const Book* book, int blockShift, long long count, TYPE* destination) {                                  \
        NestedScales scales = {scaleCodes, nestedAbsmax, scaleBook, offset};                                         \
        dequantizeFourBit<TYPE>(packed, scales, book, blockShift, count, destination);                               \
    }

DEQUANTIZE_4BIT(float32, float)
DEQUANTIZE_4BIT(float16, Float16)
DEQUANTIZE_4BIT(bfloat16, BFloat16)

template <typename T>
__device__ void dequantizeEightBit(
        const unsigned char* codes, const float* absmax, const Book* book, int blockSize, long long count,
        T* destination) {
    __shared__ float numbers[256];
    for (int i = threadIdx.x; i < 256; i += blockDim.x) {
        numbers[i] = book->values[i];
    }
    __syncthreads();
    long long step = (long long)gridDim.x * blockDim.x;
    for (long long at = (long long)blockIdx.x * blockDim.x + threadIdx.x; at < count; at += step) {
        fromFloat(numbers[codes[at]] * absmax[at / blockSize], destination[at]);
    }
}

#define DEQUANTIZE_8BIT(SUFFIX, TYPE)                                                                                 \
    extern "C" __global__ void dequantize_8bit_##SUFFIX(const unsigned char* codes, const float* absmax,             \
            const Book* book, int blockSize, long long count, TYPE* destination) {                                   \
        dequantizeEightBit<TYPE>(codes, absmax, book, blockSize, count, destination);                                \
    }

DEQUANTIZE_8BIT(float32, float)
DEQUANTIZE_8BIT(float16, Float16)
DEQUANTIZE_8BIT(bfloat16, BFloat16)
