// What all kernels share. Every result must have the bits that the Java kernels give, so the program is compiled without
// fused multiply-add and without any header. Where a line looks clumsy, the order of roundings is why.

struct Float16 { unsigned short bits; };
struct BFloat16 { unsigned short bits; };

// The most threads that a block of these kernels has; always a power of two.
#define MOST_THREADS 256

__device__ inline float toFloat(float x) { return x; }

__device__ inline float toFloat(BFloat16 x) { return __uint_as_float(((unsigned int)x.bits) << 16); }

__device__ inline float toFloat(Float16 x) {
    unsigned int sign = ((unsigned int)x.bits & 0x8000u) << 16;
    unsigned int magnitude = (unsigned int)x.bits & 0x7fffu;
    if (magnitude >= 0x7c00u) {
        return __uint_as_float(sign | 0x7f800000u | (magnitude << 13)); // infinity, NaN
    }
    // The exponent is off by 112: a product mends it, for subnormal numbers too.
    return __uint_as_float(sign | __float_as_uint(__uint_as_float(magnitude << 13) * 5.192296858534828e+33f));
}

__device__ inline void fromFloat(float x, float& result) { result = x; }

// To the nearest, ties to even.
__device__ inline void fromFloat(float x, BFloat16& result) {
    unsigned int bits = __float_as_uint(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u) {
        result.bits = 0x7fc0;
    } else {
        result.bits = (unsigned short)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
    }
}

// To the nearest, ties to even.
__device__ inline void fromFloat(float x, Float16& result) {
    unsigned int bits = __float_as_uint(x);
    unsigned int sign = (bits >> 16) & 0x8000u;
    unsigned int magnitude = bits & 0x7fffffffu;
    unsigned int rounded;
    if (magnitude > 0x7f800000u) {
        rounded = 0x7e00u;
    } else if (magnitude >= 0x47800000u) { // 65536 and above
        rounded = 0x7c00u;
    } else if (magnitude >= 0x38800000u) { // normal numbers
        rounded = (magnitude + 0xfffu + ((magnitude >> 13) & 1u) - 0x38000000u) >> 13;
    } else { // one unit in the last place of 0.5 is the smallest subnormal number
        rounded = __float_as_uint(__uint_as_float(magnitude) + 0.5f) - 0x3f000000u;
    }
    result.bits = (unsigned short)(sign | rounded);
}

// The numbers that values are rounded to. CudaBook lays it out.
struct Book {
    float values[256];        // by code
    float middles[256];       // of neighbours in ascending order; infinity from the last one on
    unsigned char codes[256]; // in ascending order of their numbers
    int size;
};

// The part of a book that rounding needs, near to the threads of a block.
struct Rounding {
    float middles[256];
    unsigned char codes[256];
    int size;
};

// All threads of a block must call it.
__device__ inline void loadRounding(const Book* book, Rounding& rounding) {
    for (int i = threadIdx.x; i < 256; i += blockDim.x) {
        rounding.middles[i] = book->middles[i];
        rounding.codes[i] = book->codes[i];
    }
    if (threadIdx.x == 0) {
        rounding.size = book->size;
    }
    __syncthreads();
}

// The code of the number nearest to x, which is from -1 to 1; of two that are equally near, the lower one's.
__device__ inline unsigned char nearest(const Rounding& rounding, float x) {
    int low = 0;
    int high = rounding.size - 1;
    while (low < high) {
        int middle = (low + high) >> 1;
        if (x > rounding.middles[middle]) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return rounding.codes[low];
}

// The reciprocal of a denormal number or of zero is infinite: the bounds hold the product.
__device__ inline float scaled(float x, float reciprocal) {
    if (x == 0.0f) {
        return 0.0f;
    }
    float product = x * reciprocal;
    return product > 1.0f ? 1.0f : product < -1.0f ? -1.0f : product;
}

// The larger of two magnitudes; NaN is larger than anything.
__device__ inline float larger(float a, float b) { return (a > b || a != a) ? a : b; }

// The largest of one number a thread. All threads of a block must call it; shared has a place for each.
__device__ inline float largestOfBlock(float* shared, float mine) {
    shared[threadIdx.x] = mine;
    __syncthreads();
    for (int half = blockDim.x >> 1; half > 0; half >>= 1) {
        if (threadIdx.x < half) {
            shared[threadIdx.x] = larger(shared[threadIdx.x], shared[threadIdx.x + half]);
        }
        __syncthreads();
    }
    float result = shared[0];
    __syncthreads(); // before the places are used again
    return result;
}
