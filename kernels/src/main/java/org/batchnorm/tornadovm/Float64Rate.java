package org.batchnorm.tornadovm;

import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * How fast a device is at float64. No driver tells and OpenCL has not even NVIDIA's compute capability, but what all
 * drivers tell is the device's name. To measure it would make results depend on what else the machine does just then:
 * the sums' kind decides their last bits.
 */
final class Float64Rate {

    /**
     * GPUs that have a float64 operation for each two of float32, or for each: of NVIDIA's, compute capability 6.0,
     * 7.0, 8.0, 9.0 and 10.0, whose other models have one for 32 or 64 (CUDA programming guide, arithmetic
     * instructions). H800, H20 and B300 are like these in name and capability, but have little float64. AMD's OpenCL
     * tells the architecture in the place of the name, here those of MI100 to MI355X.
     */
    private static final Pattern FAST =
            Pattern.compile("\\b(G?P100|TITAN V|GV100|V100[A-Z]{0,2}|A30X?|A100[A-Z]{0,2}|A800"
                    + "|G?H[12]00[A-Z]{0,2}|G?B[12]00|gfx90[8a]|gfx94[0-2]|gfx950|Data Center GPU Max)\\b");

    private static final String AS_SLOW = "slow";
    private static final String AS_FAST = "fast";

    private Float64Rate() {}

    /** Whether float64 has at least half of float32's rate, by the name that the driver has for the device. */
    static boolean isFast(String deviceName) {
        return FAST.matcher(deviceName).find();
    }

    /**
     * The same, unless it is given.
     *
     * @param given the value of {@link DeviceLimits#FLOAT64_PROPERTY}
     * @param cpu whether the device is a CPU, where float64 costs what float32 does
     * @throws IllegalArgumentException if it is neither fast nor slow
     */
    static boolean isFast(@Nullable String given, String deviceName, boolean cpu) {
        if (given == null) {
            return cpu || isFast(deviceName);
        }
        if (!given.equals(AS_FAST) && !given.equals(AS_SLOW)) {
            throw new IllegalArgumentException("-D" + DeviceLimits.FLOAT64_PROPERTY + ": \"" + given
                    + "\" given, must be " + AS_FAST + " or " + AS_SLOW);
        }
        return given.equals(AS_FAST);
    }
}
