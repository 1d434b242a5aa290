package org.batchnorm;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.lang.ref.WeakReference;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.batchnorm.data.BatchShape;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is kept after a call, and after the last one. */
class MemoryTest {
    private static final BatchShape SHAPE = BatchShape.of(500, 200);

    @Test
    void inferenceKeepsNothingOfAForwardInPlace() {
        try (BatchNorm layer = BatchNorm.builder(200).build()) {
            WeakReference<float[]> data = forwardInPlace(layer);
            layer.eval();
            assertLetGo(data);
            assertThat(layer.isTraining()).isFalse();
        }
    }

    @Test
    void aClosedLayerKeepsNothingOfAForwardInPlace() {
        BatchNorm layer = BatchNorm.builder(200).build();
        WeakReference<float[]> data = forwardInPlace(layer);
        layer.close();
        assertLetGo(data);
        assertThat(layer.isTraining()).isTrue();
    }

    private static WeakReference<float[]> forwardInPlace(BatchNorm layer) {
        float[] data = new float[(int) SHAPE.elements()];
        layer.forward(data, data, SHAPE);
        return new WeakReference<>(data);
    }

    @Test
    void inferenceForgetsNoForwardThatRanBesideItsInput() {
        try (BatchNorm layer = BatchNorm.builder(200).build()) {
            float[] x = new float[(int) SHAPE.elements()];
            layer.forward(x, x.clone(), SHAPE);
            layer.eval();
            layer.backward(x, x, x.clone(), SHAPE);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"vector", "scalar"})
    void anyNumberOfThreadsMayBeAskedFor(String backend) {
        BatchShape shape = BatchShape.of(4, 40_000);
        float[] x = new float[(int) shape.elements()];
        for (int i = 0; i < x.length; i++) {
            x[i] = i % 7;
        }
        float[] expected = new float[x.length];
        float[] y = new float[x.length];
        try (BatchNorm one =
                        BatchNorm.builder(shape.c()).backend(backend).threads(1).build();
                BatchNorm many = BatchNorm.builder(shape.c())
                        .backend(backend)
                        .threads(1_000_000_000)
                        .build()) {
            one.forward(x, expected, shape);
            many.forward(x, y, shape);
            assertThat(y).isEqualTo(expected);
        }
    }

    /** As in a container whose applications come and go. */
    @Test
    void theClassLoaderGoesWhenLayersAreClosedAndThreadsIdle() throws Exception {
        WeakReference<ClassLoader> ofVector = useInItsOwnClassLoader("vector");
        WeakReference<ClassLoader> ofScalar = useInItsOwnClassLoader("scalar");
        assertLetGo(ofVector);
        assertLetGo(ofScalar);
    }

    private static WeakReference<ClassLoader> useInItsOwnClassLoader(String backend) throws Exception {
        List<URL> urls = new ArrayList<>();
        for (String path : System.getProperty("java.class.path").split(File.pathSeparator, -1)) {
            urls.add(Path.of(path).toUri().toURL());
        }
        ClassLoader parent = ClassLoader.getPlatformClassLoader();
        try (URLClassLoader loader = new URLClassLoader(urls.toArray(URL[]::new), parent)) {
            Class<?> user = loader.loadClass(User.class.getName());
            assertThat(user).isNotEqualTo(User.class);
            user.getMethod("use", String.class).invoke(null, backend);
            return new WeakReference<>(loader);
        }
    }

    /** What an application does. */
    public static final class User {
        private User() {}

        /** Trains and infers, with several threads. */
        public static void use(String backend) {
            float[] x = new float[(int) SHAPE.elements()];
            float[] y = new float[x.length];
            try (BatchNorm layer =
                    BatchNorm.builder(200).backend(backend).threads(3).build()) {
                for (int i = 0; i < 5; i++) {
                    layer.train();
                    layer.forward(x, y, SHAPE);
                    layer.backward(x, y, y, SHAPE);
                    layer.eval();
                    layer.forward(x, y, SHAPE);
                }
            }
        }
    }

    private static void assertLetGo(WeakReference<?> reference) {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(40);
        while (reference.get() != null && System.nanoTime() < deadline) {
            System.gc();
            try {
                Thread.sleep(50);
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        }
        assertThat(reference.get()).isNull();
    }
}
