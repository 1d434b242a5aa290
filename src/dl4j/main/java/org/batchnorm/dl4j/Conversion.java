package org.batchnorm.dl4j;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Enumeration;
import java.util.zip.ZipEntry;
import java.util.zip.ZipException;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;
import org.batchnorm.state.ReplacedFile;
import org.deeplearning4j.nn.conf.ComputationGraphConfiguration;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;
import org.deeplearning4j.nn.conf.NeuralNetConfiguration;
import org.deeplearning4j.nn.conf.graph.GraphVertex;
import org.deeplearning4j.nn.conf.graph.LayerVertex;
import org.deeplearning4j.nn.conf.layers.Layer;
import org.deeplearning4j.nn.graph.ComputationGraph;
import org.deeplearning4j.nn.multilayer.MultiLayerNetwork;
import org.deeplearning4j.util.ModelSerializer;
import org.nd4j.linalg.api.ndarray.INDArray;

/**
 * Puts this library's batch normalization layers into a network in place of Deeplearning4j's own, and back. Parameters,
 * running statistics and the updater's state stay what they are, and so does everything else. Layers within others, as
 * frozen ones are, are found too. A network without such layers is copied.
 *
 * <pre>{@code
 * MultiLayerNetwork faster = Conversion.FROM_DL4J.convert(network);
 * Conversion.FROM_DL4J.convert(Path.of("model.zip"), Path.of("faster.zip"));
 * Conversion.TO_DL4J.convert(faster);   // for whoever has not this library
 * }</pre>
 */
public enum Conversion {
    /** Deeplearning4j's layers become this library's. */
    FROM_DL4J {
        @Override
        Layer converted(org.deeplearning4j.nn.conf.layers.BatchNormalization layer) {
            return layer instanceof BatchNormalization ? layer : BatchNormalization.of(layer);
        }
    },
    /** This library's layers become Deeplearning4j's. */
    TO_DL4J {
        @Override
        Layer converted(org.deeplearning4j.nn.conf.layers.BatchNormalization layer) {
            var own = new org.deeplearning4j.nn.conf.layers.BatchNormalization();
            ConfigurationFields.copy(layer, own);
            return own;
        }
    };

    abstract Layer converted(org.deeplearning4j.nn.conf.layers.BatchNormalization layer);

    /** A converted copy of a configuration. */
    public MultiLayerConfiguration convert(MultiLayerConfiguration configuration) {
        MultiLayerConfiguration copy = configuration.clone();
        copy.getConfs().forEach(this::convertWithin);
        return copy;
    }

    /** A converted copy of a configuration. */
    public ComputationGraphConfiguration convert(ComputationGraphConfiguration configuration) {
        ComputationGraphConfiguration copy = configuration.clone();
        // What Deeplearning4j's clone() leaves out.
        copy.setIterationCount(configuration.getIterationCount());
        copy.setEpochCount(configuration.getEpochCount());
        for (GraphVertex vertex : copy.getVertices().values()) {
            if (vertex instanceof LayerVertex ofLayer) {
                convertWithin(ofLayer.getLayerConf());
            }
        }
        return copy;
    }

    private void convertWithin(NeuralNetConfiguration configuration) {
        configuration.setLayer(convert(configuration.getLayer()));
    }

    /** Converts a layer, or those that it holds. */
    private Layer convert(Layer layer) {
        if (layer instanceof org.deeplearning4j.nn.conf.layers.BatchNormalization batchNormalization) {
            return converted(batchNormalization);
        }
        ConfigurationFields.replaceAll(layer, Layer.class, this::convert);
        return layer;
    }

    /**
     * A converted copy of a network, with the state of its updater. Listeners are not copied.
     *
     * @param network a network that is initialized
     */
    public MultiLayerNetwork convert(MultiLayerNetwork network) {
        requireInitialized(network.isInitCalled());
        MultiLayerNetwork converted = new MultiLayerNetwork(convert(network.getLayerWiseConfigurations()));
        converted.init(network.params().dup(), false);
        INDArray state = network.getUpdater().getStateViewArray();
        if (state != null) {
            converted.getUpdater().setStateViewArray(converted, state.dup(), false);
        }
        return converted;
    }

    /**
     * A converted copy of a network, with the state of its updater. Listeners are not copied.
     *
     * @param network a network that is initialized
     */
    public ComputationGraph convert(ComputationGraph network) {
        requireInitialized(network.getLayers() != null);
        ComputationGraph converted = new ComputationGraph(convert(network.getConfiguration()));
        converted.init(network.params().dup(), false);
        INDArray state = network.getUpdater().getStateViewArray();
        if (state != null) {
            converted.getUpdater().setStateViewArray(state.dup());
        }
        return converted;
    }

    private static void requireInitialized(boolean initialized) {
        if (!initialized) {
            throw new IllegalArgumentException(
                    "network: without parameters given, must be initialized; call its init() first");
        }
    }

    /**
     * Converts a model that {@code ModelSerializer} has written. Only its configuration is read; parameters, updater,
     * normalizer and objects that were added are copied as they are.
     *
     * @param model the file of a network or of a graph
     * @param converted where the converted model is written, whole or not at all; may be the same file
     * @throws IOException if a file cannot be read or written, or if the first is no such model
     */
    public void convert(Path model, Path converted) throws IOException {
        open(model).close(); // what is wrong with it is told before anything is written
        ReplacedFile.write(converted, out -> {
            try (ZipFile source = open(model);
                    ZipOutputStream zip = new ZipOutputStream(out)) {
                copy(source, zip);
            }
        });
    }

    private static ZipFile open(Path model) throws IOException {
        ZipFile source;
        try {
            source = new ZipFile(model.toFile());
        } catch (ZipException e) {
            throw new IOException("model: " + model + " is no zip file, must be one that ModelSerializer wrote", e);
        }
        if (source.getEntry(ModelSerializer.CONFIGURATION_JSON) == null) {
            source.close();
            throw new IOException("model: " + model + " has no " + ModelSerializer.CONFIGURATION_JSON
                    + ", must be a file that ModelSerializer wrote");
        }
        return source;
    }

    private void copy(ZipFile source, ZipOutputStream out) throws IOException {
        Enumeration<? extends ZipEntry> entries = source.entries();
        while (entries.hasMoreElements()) {
            String name = entries.nextElement().getName();
            out.putNextEntry(new ZipEntry(name));
            try (InputStream in = source.getInputStream(source.getEntry(name))) {
                if (name.equals(ModelSerializer.CONFIGURATION_JSON)) {
                    String json = new String(in.readAllBytes(), StandardCharsets.UTF_8);
                    out.write(convertModel(json).getBytes(StandardCharsets.UTF_8));
                } else {
                    in.transferTo(out);
                }
            }
            out.closeEntry();
        }
    }

    /** Through Deeplearning4j's own reader, which knows the formats of its older versions. */
    private String convertModel(String json) throws IOException {
        boolean ofGraph = NeuralNetConfiguration.mapper().readTree(json).has("vertices");
        return ofGraph
                ? convert(ComputationGraphConfiguration.fromJson(json)).toJson()
                : convert(MultiLayerConfiguration.fromJson(json)).toJson();
    }
}
