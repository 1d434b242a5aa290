package org.batchnorm.tornadovm.backend;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;

/** A backend that a TornadoVM SDK may have, and what it needs of the machine. Names no type of TornadoVM. */
enum SdkBackend {
    OPENCL("install the OpenCL driver of the device (a GPU's vendor's, or pocl-opencl-icd for the CPU) and a loader,"
            + " libOpenCL.so.1; clinfo shows whether it works"),
    PTX("install NVIDIA's driver, libcuda.so.1; nvidia-smi shows whether it works"),
    CUDA("install NVIDIA's driver, libcuda.so.1 (nvidia-smi shows whether it works), and of the CUDA toolkit libnvrtc"
            + " with libnvrtc-builtins beside it, in a folder of LD_LIBRARY_PATH or one that ldconfig -p lists");

    private final String remedy;

    SdkBackend(String remedy) {
        this.remedy = remedy;
    }

    /** Those of the SDK that this JVM was started with. */
    static List<SdkBackend> present() {
        return Arrays.stream(values())
                .filter(backend -> ModuleLayer.boot()
                        .findModule("tornado.drivers." + backend.lowerCase())
                        .isPresent())
                .toList();
    }

    /** What to do where they find no device. */
    static String remedies() {
        return present().stream().map(backend -> backend.remedy).collect(Collectors.joining("; or "));
    }

    /** What the system's loader says of their native libraries, which TornadoVM keeps to itself; empty: all is well. */
    static Optional<String> linkErrors() {
        return present().stream()
                .flatMap(backend -> backend.linkError().stream())
                .reduce((first, second) -> first + "; " + second);
    }

    @SuppressWarnings("restricted") // Loads what TornadoVM has just tried to load.
    private Optional<String> linkError() {
        String name = System.mapLibraryName("tornado-" + lowerCase());
        Optional<Path> library = Arrays.stream(
                        System.getProperty("java.library.path", "").split(File.pathSeparator))
                .map(folder -> Path.of(folder, name).toAbsolutePath())
                .filter(Files::isRegularFile)
                .findFirst();
        if (library.isEmpty()) {
            return Optional.of(name + " is in no folder of java.library.path");
        }
        try {
            System.load(library.get().toString());
            return Optional.empty();
        } catch (UnsatisfiedLinkError e) {
            String message = String.valueOf(e.getMessage());
            // That TornadoVM has loaded it already is no error.
            return message.contains("already loaded") ? Optional.empty() : Optional.of(message);
        }
    }

    private String lowerCase() {
        return name().toLowerCase(Locale.ROOT);
    }
}
