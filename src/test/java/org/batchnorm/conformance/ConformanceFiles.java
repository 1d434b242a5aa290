package org.batchnorm.conformance;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * The case files among the test resources. They are read from the class path, so that other modules find them in the
 * test jar.
 */
public final class ConformanceFiles {
    /** Written by PyTorch, of float32. */
    private static final List<String> OF_PYTORCH = List.of(
            "eval_n1_c17",
            "eval_n64_c33",
            "eval_nchw_3_8_7_7",
            "eval_without_running_statistics",
            "peer_dl4j_cnn_linspace",
            "peer_nd4j_batchnorm_bp_1",
            "peer_onednn_resnet_50_bn2a_branch2a_std_C_train_nhwc",
            "peer_torchnn_affine_2_dy_ones",
            "train_constant_feature",
            "train_cumulative_momentum",
            "train_eps1e-3_momentum0.01",
            "train_eps_1e-46_constant_feature",
            "train_every_32nd_row_an_outlier",
            "train_first_row_outlier",
            "train_mean1000_std1",
            "train_n32_c128",
            "train_ncdhw_2_4_3_5_2",
            "train_nchw_2_3_5_6",
            "train_ncl_4_7_13",
            "train_nhwc_2_5_6_3",
            "train_no_affine",
            "train_range_above_float_max",
            "train_x_1e20_dy_1e19");

    /** Written by {@code float64.CaseFiles}, of other types: exact results in 60 decimal digits, rounded. */
    private static final List<String> OF_OTHER_TYPES = List.of(
            "bf16_eval_n16_c10",
            "bf16_train_nhwc_2_5_6_9",
            "f16_eval_nhwc_2_4_5_7",
            "f16_train_n32_c12",
            "f16_train_overflow_nchw_3_4_5_5",
            "f16_train_subnormal_n40_c6",
            "f64_eval_ncl_3_5_11",
            "f64_train_mean1e9_n24_c8",
            "f64_train_nhwc_2_4_5_6");

    private ConformanceFiles() {}

    /** All cases. */
    public static Stream<ConformanceCase> all() {
        return Stream.concat(ofPyTorch(), ofOtherTypes());
    }

    /** Those that PyTorch has written, all of float32. */
    public static Stream<ConformanceCase> ofPyTorch() {
        return OF_PYTORCH.stream().map(ConformanceFiles::read);
    }

    /** Those of 16-bit types and of float64. */
    public static Stream<ConformanceCase> ofOtherTypes() {
        return OF_OTHER_TYPES.stream().map(ConformanceFiles::read);
    }

    /** One case by its name. */
    public static ConformanceCase read(String name) {
        try {
            Path file = copy(name);
            try {
                return ConformanceCase.read(file);
            } finally {
                Files.delete(file);
                Files.delete(file.getParent());
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Path copy(String name) throws IOException {
        try (InputStream resource = ConformanceFiles.class.getResourceAsStream(name + ".safetensors")) {
            if (resource == null) {
                throw new FileNotFoundException(name + ".safetensors is not among the test resources");
            }
            Path file = Files.createTempDirectory("conformance").resolve(name + ".safetensors");
            Files.copy(resource, file);
            return file;
        }
    }
}
