package org.batchnorm;

import com.sun.source.tree.ClassTree;
import com.sun.source.tree.CompilationUnitTree;
import com.sun.source.tree.ExpressionTree;
import com.sun.source.tree.MethodInvocationTree;
import com.sun.source.tree.MethodTree;
import com.sun.source.tree.NewClassTree;
import com.sun.source.tree.Tree;
import com.sun.source.tree.VariableTree;
import com.sun.source.util.JavacTask;
import com.sun.source.util.SourcePositions;
import com.sun.source.util.TreeScanner;
import com.sun.source.util.Trees;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import javax.lang.model.element.Modifier;
import javax.tools.JavaCompiler;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;

/** What there is to count in one source file. Java's own parser finds the declarations and the calls. */
final class SourceShape {
    private static final Pattern COMMENT = Pattern.compile("\\s*(\\*|/\\*|//).*|.*[;,{}()] // .*");
    private static final Pattern NO_CODE = Pattern.compile("\\s*(\\*|/\\*|//).*|(import|package) .*");
    private static final Pattern END_OF_ARGUMENT = Pattern.compile("[,;(){ ]*");

    private final Path file;
    private final List<String> lines;
    private final List<Finding> declarations = new ArrayList<>();
    private final List<Finding> methods = new ArrayList<>();
    private final List<Finding> loneArguments = new ArrayList<>();

    private SourceShape(Path root, Path file) throws IOException {
        this.file = root.relativize(file);
        this.lines = Files.readAllLines(file);
    }

    /**
     * Something that was counted.
     *
     * @param file from the project's root
     * @param line where it begins
     * @param what its name
     * @param size how many parameters, lines or columns it has
     */
    record Finding(Path file, long line, String what, int size) {
        @Override
        public String toString() {
            return file + ":" + line + " " + what + ": " + size;
        }
    }

    /** Parses files. None of them needs to compile. */
    static List<SourceShape> of(Path root, List<Path> files) throws IOException {
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        List<SourceShape> shapes = new ArrayList<>();
        try (StandardJavaFileManager manager = compiler.getStandardFileManager(null, null, null)) {
            JavacTask task = (JavacTask) compiler.getTask(
                    null, manager, null, List.of("-proc:none"), null, manager.getJavaFileObjectsFromPaths(files));
            SourcePositions positions = Trees.instance(task).getSourcePositions();
            for (CompilationUnitTree unit : task.parse()) {
                SourceShape shape =
                        new SourceShape(root, Path.of(unit.getSourceFile().toUri()));
                shape.new Counter(unit, positions).scan(unit, null);
                shapes.add(shape);
            }
        }
        return shapes;
    }

    /** The file, from the project's root. */
    Path file() {
        return file;
    }

    /** The file and its lines. */
    Finding length() {
        return new Finding(file, 1, "lines", lines.size());
    }

    /** The file and its lines of code: not comments, imports and blank lines. */
    Finding code() {
        long code = lines.stream()
                .filter(line -> !line.isBlank() && !NO_CODE.matcher(line).matches())
                .count();
        return new Finding(file, 1, "lines of code", (int) code);
    }

    /** Methods, constructors and records, and their parameters or components. */
    List<Finding> declarations() {
        return declarations;
    }

    /** Methods and constructors, and their lines, from annotations to the closing brace. */
    List<Finding> methods() {
        return methods;
    }

    /** Lines that hold nothing but a parameter, or an argument that is a name, a number or a call without arguments. */
    List<Finding> loneArguments() {
        return loneArguments;
    }

    /** Lines with a comment, and their columns. */
    List<Finding> comments() {
        return commentsOf(file, lines);
    }

    /** The same of a file that is not parsed. */
    static List<Finding> comments(Path root, Path file) throws IOException {
        return commentsOf(root.relativize(file), Files.readAllLines(file));
    }

    private static List<Finding> commentsOf(Path file, List<String> lines) {
        List<Finding> comments = new ArrayList<>();
        for (int i = 0; i < lines.size(); i++) {
            String line = lines.get(i);
            if (COMMENT.matcher(line).matches()) {
                comments.add(new Finding(file, i + 1, "columns", line.codePointCount(0, line.length())));
            }
        }
        return comments;
    }

    private final class Counter extends TreeScanner<Void, Void> {
        private final CompilationUnitTree unit;
        private final SourcePositions positions;
        private String className = "";

        Counter(CompilationUnitTree unit, SourcePositions positions) {
            this.unit = unit;
            this.positions = positions;
        }

        @Override
        public Void visitClass(ClassTree tree, Void unused) {
            String outer = className;
            className = tree.getSimpleName().toString();
            if (tree.getKind() == Tree.Kind.RECORD) {
                List<? extends Tree> components =
                        tree.getMembers().stream().filter(Counter::isComponent).toList();
                declarations.add(new Finding(file, line(start(tree)), "record " + className, components.size()));
                components.forEach(this::addIfAlone);
            }
            super.visitClass(tree, null);
            className = outer;
            return null;
        }

        @Override
        public Void visitMethod(MethodTree tree, Void unused) {
            boolean constructor = tree.getReturnType() == null;
            String name = constructor ? className : className + "." + tree.getName();
            long first = line(start(tree));
            declarations.add(new Finding(file, first, name, tree.getParameters().size()));
            methods.add(new Finding(file, first, name, (int) (line(end(tree)) - first + 1)));
            tree.getParameters().forEach(this::addIfAlone);
            return super.visitMethod(tree, null);
        }

        @Override
        public Void visitMethodInvocation(MethodInvocationTree tree, Void unused) {
            addNamesThatAreAlone(tree.getArguments());
            return super.visitMethodInvocation(tree, null);
        }

        @Override
        public Void visitNewClass(NewClassTree tree, Void unused) {
            addNamesThatAreAlone(tree.getArguments());
            return super.visitNewClass(tree, null);
        }

        private static boolean isComponent(Tree member) {
            return member instanceof VariableTree field
                    && !field.getModifiers().getFlags().contains(Modifier.STATIC);
        }

        private void addNamesThatAreAlone(List<? extends ExpressionTree> arguments) {
            arguments.stream().filter(Counter::isName).forEach(this::addIfAlone);
        }

        private static boolean isName(ExpressionTree argument) {
            return switch (argument.getKind()) {
                case IDENTIFIER,
                        MEMBER_SELECT,
                        ARRAY_ACCESS,
                        INT_LITERAL,
                        LONG_LITERAL,
                        FLOAT_LITERAL,
                        DOUBLE_LITERAL,
                        BOOLEAN_LITERAL,
                        NULL_LITERAL -> true;
                case METHOD_INVOCATION ->
                    ((MethodInvocationTree) argument).getArguments().isEmpty();
                default -> false;
            };
        }

        private void addIfAlone(Tree tree) {
            long line = line(start(tree));
            if (line == line(end(tree))) {
                long column = unit.getLineMap().getPosition(line, 1);
                String text = lines.get((int) line - 1);
                String before = text.substring(0, (int) (start(tree) - column));
                String after = text.substring((int) (end(tree) - column));
                if (before.isBlank() && END_OF_ARGUMENT.matcher(after).matches()) {
                    loneArguments.add(new Finding(file, line, tree.toString(), 1));
                }
            }
        }

        private long start(Tree tree) {
            return positions.getStartPosition(unit, tree);
        }

        private long end(Tree tree) {
            return positions.getEndPosition(unit, tree);
        }

        private long line(long position) {
            return unit.getLineMap().getLineNumber(position);
        }
    }
}
