package org.batchnorm.spi;

/**
 * Whether a backend or device can be used here, and if not, why not and what would help.
 *
 * @param usable whether it can be used
 * @param reason if not usable, why; else a word on what it is (the vector width, the device's name)
 * @param remedy if not usable, what to do about it; else empty
 */
public record Availability(boolean usable, String reason, String remedy) {

    /** Usable; {@code description} says what was found. */
    public static Availability usable(String description) {
        return new Availability(true, description, "");
    }

    /** Not usable because of {@code reason}; {@code remedy} is what to do. */
    public static Availability unusable(String reason, String remedy) {
        return new Availability(false, reason, remedy);
    }

    @Override
    public String toString() {
        return usable || remedy.isEmpty() ? reason : reason + "; " + remedy;
    }
}
