// Rows of 8-bit integers, as LLM.int8 stores weights: twin of EightBitKernels.quantizeRows and dequantizeRows.

template <typename T>
__device__ void quantizeRows(const T* matrix, signed char* codes, float* absmax, long long rows, long long columns) {
    __shared__ float shared[MOST_THREADS];
    for (long long row = blockIdx.x; row < rows; row += gridDim.x) {
        const T* values = matrix + row * columns;
        float mine = 0.0f;
        for (long long i = threadIdx.x; i < columns; i += blockDim.x) {
            mine = larger(fabsf(toFloat(values[i])), mine);
        }
        float largest = largestOfBlock(shared, mine);
        if (threadIdx.x == 0) {
            absmax[row] = largest;
        }
        for (long long i = threadIdx.x; i < columns; i += blockDim.x) {
            // A double holds the quotient for the smallest of floats, too.
            double quotient = 127.0 * (double)toFloat(values[i]) / (double)largest;
            bool finite = quotient >= -127.0 && quotient <= 127.0; // neither 0/0 nor what the caller refuses
            codes[row * columns + i] = finite ? (signed char)(int)rint(quotient) : (signed char)0;
        }
    }
}

template <typename T>
__device__ void dequantizeRows(
        const signed char* codes, const float* absmax, long long rows, long long columns, T* destination) {
    for (long long row = blockIdx.x; row < rows; row += gridDim.x) {
        float scale = absmax[row] / 127.0f;
        for (long long i = threadIdx.x; i < columns; i += blockDim.x) {
            fromFloat((float)codes[row * columns + i] * scale, destination[row * columns + i]);
        }
    }
}

#define ROWS(SUFFIX, TYPE)                                                                                            \
    extern "C" __global__ void quantize_rows_##SUFFIX(                                                               \
            const TYPE* matrix, signed char* codes, float* absmax, long long rows, long long columns) {              \
        quantizeRows<TYPE>(matrix, codes, absmax, rows, columns);                                                    \
    }                                                                                                                \
    extern "C" __global__ void dequantize_rows_##SUFFIX(                                                             \
            const signed char* codes, const float* absmax, long long rows, long long columns, TYPE* destination) {   \
        dequantizeRows<TYPE>(codes, absmax, rows, columns, destination);                                             \
    }

ROWS(float32, float)
ROWS(float16, Float16)
ROWS(bfloat16, BFloat16)
