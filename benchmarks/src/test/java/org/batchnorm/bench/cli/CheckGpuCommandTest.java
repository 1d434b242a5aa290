package org.batchnorm.bench.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.ShapeGrid;
import org.junit.jupiter.api.Test;

class CheckGpuCommandTest {

    @Test
    void pyTorchIsMeasuredOnTheSameShapes() throws IOException {
        String script = Files.readString(Path.of("..", "scripts", "compare-pytorch.py"));
        String list = script.substring(script.indexOf("SHAPES = ["), script.indexOf("]", script.indexOf("SHAPES = [")));
        List<String> shapes = Pattern.compile("\"([^\"]+)\"")
                .matcher(list)
                .results()
                .map((MatchResult match) -> match.group(1))
                .toList();
        assertThat(shapes).containsExactlyElementsOf(CheckGpuCommand.GPU_SHAPES);
    }

    @Test
    void theShapesCoverWhatAGpuIsJudgedBy() {
        List<BenchShape> shapes =
                CheckGpuCommand.GPU_SHAPES.stream().map(BenchShape::parse).toList();
        long large = 256L << 20;
        assertThat(shapes).as("large, few features").anyMatch(shape -> shape.c() <= 3 && bytes(shape) >= large);
        assertThat(shapes).as("large, some features").anyMatch(shape -> shape.c() == 8 && bytes(shape) >= large);
        assertThat(shapes).as("large, many features").anyMatch(shape -> shape.c() >= 1024 && bytes(shape) >= large);
        assertThat(shapes).as("large, on chip").anyMatch(shape -> shape.n() <= 256 && bytes(shape) >= large);
        assertThat(shapes)
                .as("images in both layouts")
                .anyMatch(shape -> shape.toString().endsWith("channels-last"));
        assertThat(shapes.stream().filter(ShapeGrid.batchSweep()::contains))
                .as("the pictures' sweep")
                .hasSizeGreaterThan(5);
    }

    private static long bytes(BenchShape shape) {
        return shape.batchShape().bytes();
    }
}
