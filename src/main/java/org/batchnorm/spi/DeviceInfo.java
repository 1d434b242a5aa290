package org.batchnorm.spi;

/**
 * One device of a backend, as {@code batchnorm devices} lists it.
 *
 * @param id how the user names it ({@code --device}, {@value BackendOptions#DEVICE_PROPERTY})
 * @param description its name, kind and memory
 * @param availability whether it can be used, or why not
 */
public record DeviceInfo(String id, String description, Availability availability) {}
