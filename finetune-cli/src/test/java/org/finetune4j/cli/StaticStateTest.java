package org.finetune4j.cli;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.fields;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noFields;

import com.tngtech.archunit.core.importer.ImportOption.DoNotIncludeTests;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTag;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;

/**
 * Two trainings in one process share nothing that decides a result: what is static and changes is named here. The process
 * has one libtorch (loaded once), one allocator, one driver, one number of threads (which stays while a training runs) and one
 * library for matrix products (which trainings take in turn).
 */
@ArchTag("slow")
@AnalyzeClasses(
        packages = "org.finetune4j",
        importOptions = {DoNotIncludeTests.class, ArrowsBetweenModulesTest.DoNotIncludeTestJars.class})
class StaticStateTest {

    @ArchTest
    static final ArchRule whatIsStaticDoesNotChangeButForTheLibrariesOfTheProcess = fields().that()
            .areStatic()
            .and()
            .areDeclaredInClassesThat()
            .doNotHaveFullyQualifiedName("org.finetune4j.tensor.Torch")
            .and()
            .areDeclaredInClassesThat()
            .doNotHaveFullyQualifiedName("org.finetune4j.tensor.ThreadCount")
            .and()
            .areDeclaredInClassesThat()
            .doNotHaveFullyQualifiedName("org.finetune4j.tensor.MatrixProducts")
            .and()
            .areDeclaredInClassesThat()
            .doNotHaveFullyQualifiedName("org.finetune4j.tensor.NativeAllocator")
            .and()
            .areDeclaredInClassesThat()
            .doNotHaveFullyQualifiedName("org.finetune4j.quant.cuda.Cuda")
            .should()
            .beFinal();

    /** Stacks of scopes and constructions, whose turn it is, and the generator that a run draws from. */
    @ArchTest
    static final ArchRule threadsKeepTheirScopesAndRandomNumbersOnly = noFields()
            .that()
            .areDeclaredInClassesThat()
            .doNotHaveFullyQualifiedName("org.finetune4j.tensor.TensorScope")
            .and()
            .areDeclaredInClassesThat()
            .doNotHaveFullyQualifiedName("org.finetune4j.tensor.Construction")
            .and()
            .areDeclaredInClassesThat()
            .doNotHaveFullyQualifiedName("org.finetune4j.tensor.MatrixProducts")
            .and()
            .areDeclaredInClassesThat()
            .doNotHaveFullyQualifiedName("org.finetune4j.tensor.RandomGenerator")
            .should()
            .haveRawType(ThreadLocal.class);
}
