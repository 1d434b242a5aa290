package org.batchnorm.bench.jmh;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.stream.Stream;
import org.batchnorm.bench.workload.Operation;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Every form of a baseline computes the same, on arrays and on native memory. */
class FormTest {

    @ParameterizedTest
    @ValueSource(ints = {1, 7, 64, 1003})
    void sumsAreTheSums(int length) {
        float sum = 0;
        double exact = 0;
        for (int i = 0; i < length; i++) {
            sum += i;
            exact += (double) i * i;
        }
        assertThat(forms(Operation.READ, length)).hasSize(4).containsOnly(sum);
        // Up to 3.4e8, where float32 has a digit less.
        double squares = exact;
        assertThat(forms(Operation.READ2, length))
                .hasSize(4)
                .allSatisfy(value -> assertThat(Math.abs(value - squares)).isLessThanOrEqualTo(1e-6 * squares));
    }

    private static List<Float> forms(Operation operation, int length) {
        return Stream.concat(
                        new ArrayForms(length).of(operation).stream(), new SegmentForms(length).of(operation).stream())
                .map(form -> form.run().once())
                .toList();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 7, 64, 1003})
    void mapsWriteEveryElement(int length) {
        for (Operation operation : List.of(Operation.COPY, Operation.STREAM, Operation.STREAM2)) {
            float[] expected = new float[length];
            for (int i = 0; i < length; i++) {
                expected[i] = switch (operation) {
                    case COPY -> i;
                    case STREAM -> 1.25f * i + 0.5f;
                    default -> 1.25f * i + 0.5f * i;
                };
            }
            int forms = new ArrayForms(length).of(operation).size();
            for (int form = 0; form < forms; form++) {
                ArrayForms arrays = new ArrayForms(length);
                arrays.of(operation).get(form).run().once();
                SegmentForms segments = new SegmentForms(length);
                segments.of(operation).get(form).run().once();
                assertThat(arrays.written()).as(operation + " on arrays").containsExactly(expected);
                assertThat(segments.written()).as(operation + " on segments").containsExactly(expected);
            }
        }
    }
}
