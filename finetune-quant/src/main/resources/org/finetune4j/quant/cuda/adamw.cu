// AdamW on moments in 8 bits: twin of AdamKernel. A block of 256 threads takes a block of 256 values at a time.

__device__ inline unsigned char storeMoment(
        const Rounding& rounding, float* shared, float moment, bool inside, float* absmax) {
    float largest = largestOfBlock(shared, inside ? fabsf(moment) : 0.0f);
    if (threadIdx.x == 0) {
        *absmax = largest;
    }
    return nearest(rounding, scaled(moment, 1.0f / largest));
}

extern "C" __global__ void adamw_8bit(
        float* values, const float* gradients, unsigned char* first, unsigned char* second, float* firstAbsmax,
        float* secondAbsmax, const Book* signedBook, const Book* unsignedBook, float beta1, float beta2, float epsilon,
        float stepSize, float correction2, float decay, long long count) {
    __shared__ Rounding signedRounding;
    __shared__ Rounding unsignedRounding;
    __shared__ float shared[MOST_THREADS];
    loadRounding(signedBook, signedRounding);
    loadRounding(unsignedBook, unsignedRounding);
    long long blocks = (count + MOST_THREADS - 1) / MOST_THREADS;
    for (long long block = blockIdx.x; block < blocks; block += gridDim.x) {
        long long at = block * MOST_THREADS + threadIdx.x;
        bool inside = at < count;
        float moment1 = 0.0f;
        float moment2 = 0.0f;
        if (inside) {
            float gradient = gradients[at];
            moment1 = signedBook->values[first[at]] * firstAbsmax[block];
            moment2 = unsignedBook->values[second[at]] * secondAbsmax[block];
            moment1 = beta1 * moment1 + (1.0f - beta1) * gradient;
            moment2 = beta2 * moment2 + (1.0f - beta2) * gradient * gradient;
            float divisor = sqrtf(moment2) / correction2 + epsilon;
            values[at] = values[at] * decay - stepSize * moment1 / divisor;
        }
        __syncthreads(); // every thread has read the block's scales
        unsigned char code1 = storeMoment(signedRounding, shared, moment1, inside, firstAbsmax + block);
        unsigned char code2 = storeMoment(unsignedRounding, shared, moment2, inside, secondAbsmax + block);
        if (inside) {
            first[at] = code1;
            second[at] = code2;
        }
    }
}
