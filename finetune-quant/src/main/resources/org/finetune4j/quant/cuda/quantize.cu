// Blocks of numbers to codes: twin of BlockQuantizer. A block of threads takes a block of values at a time.

template <typename T, bool packed>
__device__ void quantizeBlocks(
        const T* values, const Book* book, unsigned char* codes, float* absmax, int blockSize, long long count) {
    __shared__ Rounding rounding;
    __shared__ float shared[MOST_THREADS];
    loadRounding(book, rounding);
    long long blocks = (count + blockSize - 1) / blockSize;
    for (long long block = blockIdx.x; block < blocks; block += gridDim.x) {
        long long begin = block * blockSize;
        int size = (int)(count - begin < blockSize ? count - begin : blockSize);
        float mine = 0.0f;
        for (int i = threadIdx.x; i < size; i += blockDim.x) {
            mine = larger(fabsf(toFloat(values[begin + i])), mine);
        }
        float largest = largestOfBlock(shared, mine);
        float reciprocal = 1.0f / largest;
        if (threadIdx.x == 0) {
            absmax[block] = largest; // NaN or infinity where a value is: the caller looks
        }
        if (packed) {
            for (int i = 2 * threadIdx.x; i < size; i += 2 * blockDim.x) {
                unsigned int high = nearest(rounding, scaled(toFloat(values[begin + i]), reciprocal));
                // Beside the last value of an odd number of them stands a zero.
                float second = i + 1 < size ? scaled(toFloat(values[begin + i + 1]), reciprocal) : 0.0f;
                codes[(begin + i) >> 1] = (unsigned char)(high << 4 | nearest(rounding, second));
            }
        } else {
            for (int i = threadIdx.x; i < size; i += blockDim.x) {
                codes[begin + i] = nearest(rounding, scaled(toFloat(values[begin + i]), reciprocal));
            }
        }
    }
}

#define QUANTIZE(NAME, TYPE, PACKED)                                                                                  \
    extern "C" __global__ void NAME(const TYPE* values, const Book* book, unsigned char* codes, float* absmax,       \
            int blockSize, long long count) {                                                                        \
        quantizeBlocks<TYPE, PACKED>(values, book, codes, absmax, blockSize, count);                                 \
    }

QUANTIZE(quantize_4bit_float32, float, true)
QUANTIZE(quantize_4bit_float16, Float16, true)
QUANTIZE(quantize_4bit_bfloat16, BFloat16, true)
QUANTIZE(quantize_8bit_float32, float, false)
QUANTIZE(quantize_8bit_float16, Float16, false)
QUANTIZE(quantize_8bit_bfloat16, BFloat16, false)
